/* Holds the namespaces of a pod: sleeps, collects orphaned processes, and ends on SIGTERM or SIGINT. */

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t signals;
    int signal;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    /* The kernel drops what process 1 neither handles nor blocks. */
    sigprocmask(SIG_BLOCK, &signals, NULL);

    for (;;) {
        if (sigwait(&signals, &signal) != 0)
            return 1;
        if (signal != SIGCHLD)
            return 0;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
