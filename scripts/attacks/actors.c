/* Who plays in a trial: the launcher, the backend with its tree, and strangers that nobody may touch.
 *
 *   actors launch KIND CMD...   start CMD as KIND says, and wait for it (or for all children)
 *   actors tree SPEC            be a backend and its tree
 *   actors rest                 what a launcher has become that executed itself: wait
 *
 * They write an account of what they see into the file that ATTACK_ACCOUNT names, one line each, in one write:
 *   "= PID"            the launcher has forked CMD
 *   "~ PID"            a stranger stands
 *   "+ PID NODE"       a node of the tree stands, its handlers too; NODE counts from 0, the backend itself
 *   "! NODE SIGNAL"    a signal has come to a node, or to a stranger (NODE -1)
 *   "? SIGNAL STATUS"  the launcher has seen CMD end: the signal that it died of, or 0 and the exit status
 *
 * KIND, letters: s a session of its own (the launcher's); g, S a group, a session for CMD; t fork in a thread that ends;
 * w three idle threads; u drop the uid afterwards; r be a subreaper; a wait for any child; e execute itself afterwards;
 * i CMD gets SIGCHLD ignored, b blocked; 0 with descriptor 0 closed; B wait for a byte on descriptor 0 first; x begin
 * with a stranger. With B, at a second byte: l fork in a thread that ends then; E fork in a thread that lives, and have
 * another execute itself then.
 *
 * SPEC: one node: letters, then its children in parentheses, parted by commas. s, g a session, a group of its own;
 * d by a double fork; i stay on SIGTERM, SIGINT and SIGHUP; u another uid; f keep forking; t stopped; T traced by its
 * parent; m use up memory.
 *
 * All of them end by themselves after LIFE seconds.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIFE = 120, NOBODY = 65534 };

static int account, node, stays;

static void tell(const char *kind, long a, long b, int both) {
    char line[64];
    int size = both ? snprintf(line, sizeof line, "%s %ld %ld\n", kind, a, b) : snprintf(line, sizeof line, "%s %ld\n", kind, a);
    if (write(account, line, size) != size) _exit(70);
}

static void heard(int number) {
    tell("!", node, number, 1);
    if (!stays && (number == SIGTERM || number == SIGINT || number == SIGHUP)) _exit(0);
}

static void listen_to_all(void) {
    struct sigaction how = {.sa_handler = heard, .sa_flags = SA_RESTART};
    sigfillset(&how.sa_mask);
    for (int number = 1; number < NSIG; number++)
        if (number != SIGCHLD && number != SIGALRM && number != SIGTTIN && number != SIGTTOU && number != SIGSEGV && number != SIGBUS && number != SIGCONT)
            sigaction(number, &how, NULL);
    alarm(LIFE);
}

static void drop_uid(void) {
    if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) return;
}

/* -- the tree ------------------------------------------------------------------------------------------------------- */

static int has(const char *letters, char wanted) {
    for (; *letters && *letters != '(' && *letters != ')' && *letters != ','; letters++)
        if (*letters == wanted) return 1;
    return 0;
}

/* Behind the end of the node that begins here; its nodes are counted. */
static const char *skip(const char *spec, int *count) {
    int depth = 0;
    ++*count;
    for (;; spec++) {
        if (*spec == '(') depth++, ++*count;
        else if (*spec == ',' && depth) ++*count;
        else if (*spec == ')' && --depth < 0) return spec;
        else if (!*spec || (*spec == ',' && !depth)) return spec;
    }
}

static void live(const char *spec, int number);

/* What a child hears before it is itself must not be told in its parent's name: it waits until then. */
static sigset_t before;

static void start(const char *spec, int number) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        if (has(spec, 'd') && fork()) _exit(0);
        if (has(spec, 'T') && ptrace(PTRACE_TRACEME, 0, 0, 0) == 0) {
            node = number, listen_to_all();
            sigprocmask(SIG_SETMASK, &before, NULL);
            tell("+", getpid(), number, 1);
            raise(SIGSTOP);
        }
        live(spec, number);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && has(spec, 'd')) waitpid(pid, NULL, 0);
    if (pid > 0 && has(spec, 'T')) waitpid(pid, NULL, WUNTRACED);
}

static void keep_forking(void) {
    sigset_t all;
    sigfillset(&all);
    for (;;) {
        /* Nobody is to hear in our name what one of them got. */
        sigprocmask(SIG_BLOCK, &all, &before);
        if (fork() == 0) {
            for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
            sigprocmask(SIG_SETMASK, &before, NULL);
            usleep(2000);
            _exit(0);
        }
        sigprocmask(SIG_SETMASK, &before, NULL);
        usleep(700);
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    }
}

static void live(const char *spec, int number) {
    node = number;
    stays = has(spec, 'i');
    if (has(spec, 's')) setsid();
    if (has(spec, 'g')) setpgid(0, 0);
    listen_to_all();
    if (number) sigprocmask(SIG_SETMASK, &before, NULL);
    if (has(spec, 'u')) drop_uid();
    const char *child = strpbrk(spec, "(),");
    if (child && *child == '(') {
        int next = number + 1;
        do {
            int before = next;
            const char *end = skip(child + 1, &next);
            start(child + 1, before);
            child = end;
        } while (*child == ',');
    }
    tell("+", getpid(), number, 1);
    if (has(spec, 't')) raise(SIGSTOP);
    if (has(spec, 'f')) keep_forking();
    if (has(spec, 'm'))
        for (char *more; (more = malloc(1 << 20)); usleep(200)) memset(more, 1, 1 << 20);
    for (;;) pause();
}

/* -- the launcher --------------------------------------------------------------------------------------------------- */

static char *kind, **command;
static pid_t child;
static int gate = -1;

static void become(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (strchr(kind, 'g')) setpgid(0, 0);
    if (strchr(kind, 'S')) setsid();
    if (strchr(kind, 'i')) signal(SIGCHLD, SIG_IGN);
    if (strchr(kind, 'b')) sigprocmask(SIG_BLOCK, &set, NULL);
    if (strchr(kind, '0')) close(0);
    execvp(command[0], command);
    _exit(127);
}

static void wait_at_gate(void) {
    char byte;
    if (read(gate, &byte, 1) != 1) _exit(1);
}

static void *idle(void *unused) {
    for (;;) pause();
    return unused;
}

static void *fork_it(void *unused) {
    child = fork();
    if (child == 0) become();
    tell("=", child, 0, 0);
    if (strchr(kind, 'l')) wait_at_gate();
    if (strchr(kind, 'E')) idle(NULL);
    return unused;
}

static void stranger(void) {
    if (fork() == 0) {
        node = -1, stays = 1;
        listen_to_all();
        tell("~", getpid(), 0, 0);
        for (;;) pause();
    }
}

static _Noreturn void launch(void) {
    pthread_t thread;
    alarm(LIFE);
    if (strchr(kind, 's')) setsid();
    if (strchr(kind, 'B')) {
        gate = fcntl(0, F_DUPFD_CLOEXEC, 10);
        wait_at_gate();
        if (!strchr(kind, '0')) close(0), open("/dev/null", O_RDWR);
    }
    if (strchr(kind, 'r')) prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (strchr(kind, 'x')) stranger();
    for (int n = 0; strchr(kind, 'w') && n < 3; n++) pthread_create(&thread, NULL, idle, NULL);
    if (strchr(kind, 'E')) {
        pthread_create(&thread, NULL, fork_it, NULL);
        wait_at_gate();
        execl("/proc/self/exe", "actors", "rest", NULL);
    } else if (strpbrk(kind, "tl")) {
        pthread_create(&thread, NULL, fork_it, NULL);
        pthread_join(thread, NULL);
    } else {
        fork_it(NULL);
    }
    if (strchr(kind, 'u')) drop_uid();
    if (strchr(kind, 'e')) execl("/proc/self/exe", "actors", "rest", NULL);
    for (;;) {
        int status;
        pid_t pid = waitpid(strchr(kind, 'a') ? -1 : child, &status, 0);
        if (pid == child) tell("?", WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0, 1);
        if (pid < 0) pause();
    }
}

int main(int count, char **words) {
    account = open(getenv("ATTACK_ACCOUNT"), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (account < 0) return perror("ATTACK_ACCOUNT"), 71;
    if (count > 3 && !strcmp(words[1], "launch")) kind = words[2], command = words + 3, launch();
    /* A limit of file sizes is meant for pdwrap: an actor that cannot write down what it sees would end. */
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &none);
    if (count == 3 && !strcmp(words[1], "tree")) live(words[2], 0);
    if (count == 2 && !strcmp(words[1], "rest"))
        for (;;) pause();
    return 64;
}
