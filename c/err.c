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
        return "the backend or the system reported an error";
    case ZM_ELIMIT:
        return "beyond the limit that was set";
    case ZM_EBUSY:
        return "in use by another";
    case ZM_ECORRUPT:
        return "not the right kind of file, or damaged";
    case ZM_EVERSION:
        return "in the format of another version";
    case ZM_ESTOPPED:
        return "stopped by its caller";
    default:
        return "unknown error";
    }
}
