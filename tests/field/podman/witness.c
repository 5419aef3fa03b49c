/* A backend, and a launcher, for images that hold nothing else: static, so that it runs in `FROM scratch`.

     witness NAME [WORD...] [-- COMMAND [ARGUMENT...]]

   It speaks on the FIFO /voice/pipe, in lines that begin with a verb and NAME:
     ready NAME PID     it stands; what the words start before has said so already
     got NAME NUMBER    for each signal, SIGCHLD apart
     status NAME CODE   how COMMAND ended: its status, or 128 and the signal
   The words, in their order:
     on=NUMBER,CODE     exit with CODE when signal NUMBER arrives (SIGTERM is 15)
     child:NAME         start one that ends by SIGKILL alone: a plain child,
     setsid:NAME        ... in a session of its own,
     double:NAME        ... forked twice, so orphaned, and in a session of its own
     orphans=NUMBER     make so many that end at once, each a child of a child that is gone
     forks              after "ready", fork until the kernel refuses; then say "full NAME"
     memory=NUMBER      when signal NUMBER arrives, take memory until the kernel has enough of it
   COMMAND is its child, started after "ready". All of them hold the FIFO open: its end-of-file says that none is left. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY (-2) /* in place of a status */

static int voice;

static void say(const char *verb, const char *name, long number)
{
    dprintf(voice, "%s %s %ld\n", verb, name, number); /* one write: lines of several speakers do not mix (pipe(7)) */
}

/* Take signals for ever; CODES has the status for those to exit with, else -1. CHILD is COMMAND's pid, or 0. */
static void listen_as(const char *name, const int *codes, pid_t child)
{
    sigset_t all;
    sigfillset(&all);
    for (;;) {
        int number = sigwaitinfo(&all, NULL), raw;
        pid_t ended;
        if (number < 0)
            continue;
        if (number != SIGCHLD)
            say("got", name, number);
        while ((ended = waitpid(-1, &raw, WNOHANG)) > 0)
            if (ended == child)
                say("status", name, WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw));
        while (codes && codes[number] == MEMORY) {
            char *some = malloc(1 << 20);
            if (some)
                memset(some, 1, 1 << 20);
        }
        if (codes && codes[number] >= 0)
            _exit(codes[number]);
    }
}

/* Start one that listens, HOW, and wait until it stands. */
static void start(const char *how, const char *name)
{
    int stands[2];
    char byte;
    if (pipe(stands))
        _exit(90);
    pid_t child = fork();
    if (child == 0) {
        if (*how == 'd' && fork())
            _exit(0);
        if (*how != 'c')
            setsid();
        say("ready", name, getpid());
        close(stands[0]);
        close(stands[1]);
        listen_as(name, NULL, 0);
    }
    close(stands[1]);
    if (child < 0 || read(stands[0], &byte, 1) != 0)
        _exit(91);
    close(stands[0]);
    if (*how == 'd')
        waitpid(child, NULL, 0);
}

static void make_orphans(int count)
{
    while (count--) {
        pid_t child = fork();
        if (child == 0) {
            if (fork() == 0)
                usleep(10000); /* not gone before its parent is */
            _exit(0);
        }
        waitpid(child, NULL, 0);
    }
}

int main(int count, char **words)
{
    int codes[128], word;
    const char *name = words[1];
    int forks = 0;
    pid_t child = 0;
    sigset_t all;
    if (count < 2 || (voice = open("/voice/pipe", O_WRONLY)) < 0) {
        perror("witness: /voice/pipe");
        return 92;
    }
    memset(codes, -1, sizeof codes);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (word = 2; word < count && strcmp(words[word], "--"); word++) {
        int number, code;
        char *kept = strchr(words[word], ':');
        if (sscanf(words[word], "on=%d,%d", &number, &code) == 2)
            codes[number] = code;
        else if (sscanf(words[word], "orphans=%d", &number) == 1)
            make_orphans(number);
        else if (!strcmp(words[word], "forks"))
            forks = 1;
        else if (sscanf(words[word], "memory=%d", &number) == 1)
            codes[number] = MEMORY;
        else if (kept)
            start(words[word], kept + 1);
        else
            return 93;
    }
    say("ready", name, getpid());
    if (word + 1 < count) {
        child = fork();
        if (child == 0) {
            sigset_t none;
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &none, NULL);
            execvp(words[word + 1], words + word + 1);
            _exit(94);
        }
    }
    if (forks) {
        while ((child = fork()) > 0)
            ;
        if (child == 0)
            listen_as("forked", NULL, 0);
        say("full", name, getpid());
    }
    listen_as(name, codes, child);
}
