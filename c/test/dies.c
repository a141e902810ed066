/* dies.c: the child processes of dies.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dies.h"

void check_dies(void (*f)(void), const char *words, const char *name)
{
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], STDERR_FILENO);
        f();
        _exit(0);
    }
    close(ends[1]);
    char text[4096];
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool named = strstr(text, "zmem: check: ") && strstr(text, words);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !named)
        fail_msg("%s: status %#x, want one of \"%s\": %s", name, (unsigned)status, words, text);
}
