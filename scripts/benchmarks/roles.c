/* What the benchmark starts: a bare launcher, and backends that die of SIGTERM at once.
 *
 *   launch N CMD...   start CMD N times, then wait to be killed
 *   listen            listen on a free port of 127.0.0.1, say "ready PID PORT"
 *   idle              say "ready PID 0"
 *   tree N            start N sleepers; when each has been executed, say "ready PID 0"
 *
 * Each but the launcher ends by itself after LIFE seconds (alarm(2) survives exec), so that nothing stays for long
 * even where the benchmark itself is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIFE = 600 };

static int fail(const char *what) {
    perror(what);
    return 1;
}

static void ready(int port) {
    /* One write of less than PIPE_BUF bytes: many backends share the pipe. */
    dprintf(STDOUT_FILENO, "ready %d %d\n", (int)getpid(), port);
}

static int launch(int count, char **command) {
    /* Dies with the benchmark. */
    prctl(PR_SET_PDEATHSIG, 9);
    while (count-- > 0) {
        pid_t pid = fork();
        if (pid < 0) return fail("fork");
        if (pid == 0) {
            execvp(command[0], command);
            _exit(fail(command[0]) + 126);
        }
    }
    for (;;) pause();
}

static int listening(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, size) || listen(fd, 8)) return -1;
    return getsockname(fd, (struct sockaddr *)&here, &size) ? -1 : ntohs(here.sin_port);
}

static int tree(int count) {
    int executed[2];
    char byte;
    if (pipe2(executed, O_CLOEXEC)) return fail("pipe2");
    while (count-- > 0) {
        pid_t pid = fork();
        if (pid < 0) return fail("fork");
        if (pid == 0) {
            execlp("sleep", "sleep", "600", (char *)NULL);
            _exit(127);
        }
    }
    close(executed[1]);
    while (read(executed[0], &byte, 1) > 0) {}
    return 0;
}

int main(int argc, char **argv) {
    const char *role = argc > 1 ? argv[1] : "";
    int port = 0;
    if (!strcmp(role, "launch") && argc > 3) return launch(atoi(argv[2]), argv + 3);
    alarm(LIFE);
    if (!strcmp(role, "listen")) {
        if ((port = listening()) < 0) return fail("listen");
    } else if (!strcmp(role, "tree") && argc > 2) {
        if (tree(atoi(argv[2]))) return 1;
    } else if (strcmp(role, "idle")) {
        return 2;
    }
    ready(port);
    for (;;) pause();
}
