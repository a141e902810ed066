/* err.c: error codes in words. */
#include "zm_internal.h"

const char *zm_err_text(int err)
{
    switch (err) {
    case ZM_OK:
        return "no error";
    case ZM_ENOMEM:
        return "out of memory";
    case ZM_EINVAL:
        return "invalid argument";
    case ZM_EBACKEND:
        return "ZMEM_BACKEND names no backend that is compiled in";
    case ZM_ENOTSUP:
        return "not supported by this backend or system";
    case ZM_ESYS:
        return "the backend reported an error";
    case ZM_ELIMIT:
        return "beyond the limit that was set";
    default:
        return "unknown error";
    }
}
