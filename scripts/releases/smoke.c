/* The promise's smoke test, as one static program: smoke PDWRAP [SHELL]
 *
 * As process 1 of a virtual machine (it then mounts /proc, and powers off at the end) or below anything else. It starts
 * launchers, each with pdwrap and a tree below it, kills, stops and asks them, and counts what is left: whatever is
 * orphaned falls to this process, the nearest subreaper, so what has no children any more has no survivors. One line
 * for each trial, and one at the end. No libc of the machine, no shell but for the case that is about one.
 *
 *     ok|FAILED <tab> fork|exec <tab> the kernel tells|polling|no pidfd <tab> case <tab> SURVIVORS <tab> MILLISECONDS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FORK, EXEC };
enum { TOLD, POLLED, NO_PIDFD };

static const char *const modes[] = {"fork", "exec"};
static const char *const ways[] = {"the kernel tells", "polling", "no pidfd"};

#define READY 9       /* where members of the tree say that they stand, and the launcher the status */
#define SOON 60000    /* ms: what has not come by then does not come; qemu without KVM is slow */
#define GRACE "0.3s"
#define INTERVAL "0.1s"
#define MOST 4096

static char self[4096];
static const char *pdwrap, *shell;
static int trials, failures, left_over;

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000L + time.tv_nsec / 1000000L;
}

/* ---- the tree, of which each member says that it stands once its signals do */

static void stand(void) {
    if (write(READY, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static void member(int detached, int deaf) {
    if (fork() != 0)
        return;
    if (detached)
        setsid();
    if (deaf)
        signal(SIGTERM, SIG_IGN);
    stand();
}

/* p: plain, s: a session of its own, t: deaf to SIGTERM, d: forked twice, in a session of its own */
static void tree(const char *shape) {
    for (; *shape; shape++)
        if (*shape == 'd') {
            pid_t between = fork();
            if (between == 0) {
                member(1, 0);
                _exit(0);
            }
            waitpid(between, NULL, 0);
        } else
            member(*shape == 's', *shape == 't');
    stand();
}

/* ---- the processes below this one */

struct process {
    pid_t pid, parent;
    char state;
};

static int list(struct process *found) {
    int count = 0;
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    while (folder && count < MOST && (entry = readdir(folder))) {
        char path[300], line[512], *after;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            continue;
        ssize_t length = read(file, line, sizeof line - 1);
        close(file);
        if (length <= 0)
            continue;
        line[length] = 0;
        found[count].pid = atoi(entry->d_name);
        if ((after = strrchr(line, ')')) && sscanf(after + 1, " %c %d", &found[count].state, &found[count].parent) == 2)
            count++;
    }
    if (folder)
        closedir(folder);
    return count;
}

static const struct process *look_up(const struct process *all, int count, pid_t pid) {
    for (int at = 0; at < count; at++)
        if (all[at].pid == pid)
            return &all[at];
    return NULL;
}

static int is_below(const struct process *all, int count, pid_t pid, pid_t above) {
    for (int depth = 0; pid > 0 && depth < 64; depth++) {
        const struct process *it = look_up(all, count, pid);
        if (!it)
            return 0;
        if (it->parent == above)
            return 1;
        pid = it->parent;
    }
    return 0;
}

/* what lives below this process, `but` and, if `outside` is given, all below that one left out */
static int living(pid_t *found, pid_t but, pid_t outside) {
    static struct process all[MOST];
    int count = list(all), living = 0;
    for (int at = 0; at < count; at++)
        if (all[at].state != 'Z' && all[at].state != 'X' && all[at].pid != but &&
            is_below(all, count, all[at].pid, getpid()) &&
            !(outside && (all[at].pid == outside || is_below(all, count, all[at].pid, outside))))
            found[living++] = all[at].pid;
    return living;
}

/* the child of this one; with `with_children`, the first that has some itself */
static pid_t child_of(pid_t parent, int with_children) {
    static struct process all[MOST];
    int count = list(all);
    for (int at = 0; at < count; at++)
        if (all[at].parent == parent && all[at].state != 'Z') {
            if (!with_children)
                return all[at].pid;
            for (int below = 0; below < count; below++)
                if (all[below].parent == all[at].pid)
                    return all[at].pid;
        }
    return 0;
}

/* ---- one trial */

struct trial {
    int mode, way, reading;
    pid_t launcher, started; /* started: the pid that the launcher knows, pdwrap's or that of the shell above it */
    long begun;
};

static int deny_pidfd(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_send_signal, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void become_pdwrap(const struct trial *trial, const char *role, const char *argument, int through_shell) {
    const char *command[20];
    int at = 0;
    if (through_shell) {
        command[at++] = shell;
        command[at++] = "-c";
        command[at++] = "\"$@\"; true";
        command[at++] = "sh";
    }
    command[at++] = pdwrap;
    command[at++] = trial->mode == FORK ? "--fork" : "--exec";
    command[at++] = "--grace";
    command[at++] = GRACE;
    command[at++] = "--interval";
    command[at++] = INTERVAL;
    command[at++] = "--watch";
    command[at++] = trial->way == POLLED ? "poll" : "auto";
    command[at++] = "--quiet";
    command[at++] = "--";
    command[at++] = self;
    command[at++] = role;
    command[at++] = argument;
    command[at] = NULL;
    if (trial->way == NO_PIDFD && deny_pidfd())
        _exit(120);
    execv(command[0], (char *const *)command);
    _exit(121);
}

/* A launcher with pdwrap, and the tree below it, once all of the tree stands. */
static int start(struct trial *trial, const char *role, const char *argument, int expected, int through_shell) {
    int ends[2];
    trial->begun = now();
    if (pipe2(ends, O_CLOEXEC))
        return -1;
    trial->launcher = fork();
    if (trial->launcher == 0) {
        setsid();
        pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], READY);
            become_pdwrap(trial, role, argument, through_shell);
        }
        int status = 0;
        waitpid(child, &status, 0);
        char told[6] = "x";
        memcpy(told + 1, &status, sizeof status);
        if (write(ends[1], told, 1 + sizeof status) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(ends[1]);
    trial->reading = ends[0];
    while (expected) {
        struct pollfd wait = {ends[0], POLLIN, 0};
        char byte;
        if (poll(&wait, 1, SOON) != 1 || read(ends[0], &byte, 1) != 1 || byte != 'r')
            return -1;
        expected--;
    }
    trial->started = child_of(trial->launcher, 0);
    return 0;
}

static int status_of(const struct trial *trial) {
    struct pollfd wait = {trial->reading, POLLIN, 0};
    char byte = 0;
    int status = -1;
    do {
        if (poll(&wait, 1, SOON) != 1 || read(trial->reading, &byte, 1) != 1)
            return -1;
    } while (byte == 'r');
    return read(trial->reading, &status, sizeof status) == sizeof status ? status : -1;
}

/* Wait until nothing but `launcher`, if that is given, is left; how many are. */
static int count_survivors(pid_t launcher) {
    static pid_t left[MOST];
    for (long limit = now() + SOON;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        int count = living(left, launcher, 0);
        if (count == 0 || now() > limit)
            return count;
        poll(NULL, 0, 2);
    }
}

static void clear(void) {
    static pid_t left[MOST];
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        int count = living(left, 0, 0);
        if (count == 0)
            break;
        while (count--)
            kill(left[count], SIGKILL);
        poll(NULL, 0, 2);
    }
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

/* `launcher`: the one that lives on, and is no survivor */
static void judge(const struct trial *trial, const char *what, int good, pid_t launcher) {
    int survivors = count_survivors(launcher);
    if (launcher && kill(launcher, 0))
        good = 0;
    long took = now() - trial->begun;
    clear();
    if (trial->reading > 0)
        close(trial->reading);
    trials++;
    left_over += survivors;
    good = good && survivors == 0;
    failures += !good;
    printf("%s\t%s\t%s\t%s\t%d\t%ld\n", good ? "ok" : "FAILED", modes[trial->mode], ways[trial->way], what, survivors, took);
    fflush(stdout);
}

/* ---- the processes of pdwrap's own */

/* fork mode: the outer supervisor and the inner; exec mode: the two sidecars, which the launcher is not above */
static int own(const struct trial *trial, pid_t *two) {
    if (trial->mode == FORK) {
        two[0] = trial->started;
        two[1] = child_of(trial->started, 1);
        return two[0] > 0 && two[1] > 0;
    }
    pid_t found[MOST];
    if (living(found, trial->launcher, trial->launcher) != 2)
        return 0;
    static struct process all[MOST];
    const struct process *first = look_up(all, list(all), found[0]);
    int is_first = first && first->parent == getpid();
    two[0] = found[is_first ? 0 : 1];
    two[1] = found[is_first ? 1 : 0];
    return 1;
}

static const char *const names[][2] = {{"the outer", "the inner"}, {"the first sidecar", "the second sidecar"}};

/* Exec mode: whoever is lost is replaced. */
static int wait_replaced(const struct trial *trial, pid_t lost) {
    for (long limit = now() + SOON; now() < limit; poll(NULL, 0, 2)) {
        pid_t two[2];
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (own(trial, two) && two[0] != lost && two[1] != lost)
            return 1;
    }
    return 0;
}

/* ---- the cases */

static const char *family(int mode) {
    return mode == FORK ? "pstd" : "pst"; /* exec mode does not promise what has detached itself before */
}

static int members(int mode) { return 1 + (int)strlen(family(mode)); }

static void launcher_dies(int mode, int way, int signal, int through_shell, const char *what) {
    struct trial trial = {.mode = mode, .way = way};
    int good = start(&trial, "tree", family(mode), members(mode), through_shell) == 0;
    kill(trial.launcher, signal);
    judge(&trial, what, good, 0);
}

static void group_dies(int mode, int way) {
    struct trial trial = {.mode = mode, .way = way};
    /* Exec mode: the backend dies in the launcher's instant, so what is in other groups is out of reach (a limit). */
    const char *shape = mode == FORK ? family(mode) : "pt";
    int good = start(&trial, "tree", shape, 1 + (int)strlen(shape), 0) == 0;
    kill(-trial.launcher, SIGKILL);
    judge(&trial, "the launcher's whole group killed", good, 0);
}

static void own_dies(int mode, int way, int which) {
    struct trial trial = {.mode = mode, .way = way};
    pid_t two[2] = {0, 0};
    char what[80];
    int good = start(&trial, "tree", family(mode), members(mode), 0) == 0 && own(&trial, two);
    if (good)
        kill(two[which], SIGKILL);
    if (mode == EXEC) {
        good = good && wait_replaced(&trial, two[which]);
        kill(trial.launcher, SIGKILL);
        snprintf(what, sizeof what, "%s killed and replaced, then the launcher killed", names[mode][which]);
        judge(&trial, what, good, 0);
    } else {
        snprintf(what, sizeof what, "%s killed", names[mode][which]);
        judge(&trial, what, good, trial.launcher);
    }
}

static void own_stopped(int mode, int way, int which) {
    struct trial trial = {.mode = mode, .way = way};
    pid_t two[2] = {0, 0};
    char what[80];
    int good = start(&trial, "tree", family(mode), members(mode), 0) == 0 && own(&trial, two);
    if (good)
        kill(two[which], SIGSTOP);
    kill(trial.launcher, SIGKILL);
    snprintf(what, sizeof what, "%s stopped, then the launcher killed", names[mode][which]);
    judge(&trial, what, good, 0);
}

static void told_to_stop(int way) {
    struct trial trial = {.mode = FORK, .way = way};
    int good = start(&trial, "tree", family(FORK), members(FORK), 0) == 0;
    kill(trial.started, SIGTERM);
    good = good && status_of(&trial) == SIGTERM;
    judge(&trial, "asked to stop (SIGTERM): status mirrored", good, trial.launcher);
}

static void leaves_a_daemon(int way) {
    struct trial trial = {.mode = FORK, .way = way};
    int good = start(&trial, "leave", "d", 0, 0) == 0 && status_of(&trial) == 0;
    judge(&trial, "the backend exits and leaves a daemon", good, trial.launcher);
}

static void status(int mode, int way, const char *role, const char *argument, int expected, const char *what) {
    struct trial trial = {.mode = mode, .way = way};
    int good = start(&trial, role, argument, 0, 0) == 0;
    int found = status_of(&trial);
    judge(&trial, what, good && found == expected, trial.launcher);
}

static void all_cases(int mode, int way) {
    launcher_dies(mode, way, SIGKILL, 0, "the launcher killed");
    launcher_dies(mode, way, SIGTERM, 0, "the launcher ended by SIGTERM");
    if (shell)
        launcher_dies(mode, way, SIGKILL, 1, "the launcher killed, a shell in between");
    group_dies(mode, way);
    for (int which = 0; which < 2; which++)
        own_dies(mode, way, which);
    for (int which = 0; which < 2; which++)
        own_stopped(mode, way, which);
    if (mode == FORK) {
        told_to_stop(way);
        leaves_a_daemon(way);
    }
    status(mode, way, "exit", "7", 7 << 8, "exit status 7 mirrored");
    status(mode, way, "die", "15", SIGTERM, "death by SIGTERM mirrored");
}

int main(int argc, char **argv) {
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (argc == 3 && !strcmp(argv[1], "tree"))
        tree(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "leave")) {
        pid_t between = fork();
        if (between == 0) {
            member(1, 0);
            _exit(0);
        }
        waitpid(between, NULL, 0);
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "exit"))
        return atoi(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "die")) {
        kill(getpid(), atoi(argv[2]));
        pause();
    }

    int is_init = getpid() == 1;
    if (is_init) { /* of a machine, started by its kernel with no argument of ours */
        mount("proc", "/proc", "proc", 0, NULL);
        mount("dev", "/dev", "devtmpfs", 0, NULL);
        length = readlink("/proc/self/exe", self, sizeof self - 1);
        pdwrap = "/pdwrap";
        shell = "/bin/sh";
    } else if (argc == 2 || argc == 3) {
        pdwrap = argv[1];
        shell = argv[2];
    } else {
        fprintf(stderr, "usage: smoke PDWRAP [SHELL]\n");
        return 2;
    }
    if (length < 1 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        return 2;

    struct utsname machine;
    uname(&machine);
    printf("kernel\t%s\t%s\t%s\n", machine.release, machine.machine, machine.version);
    fflush(stdout);
    long begun = now();
    for (int way = TOLD; way <= NO_PIDFD; way++)
        for (int mode = FORK; mode <= EXEC; mode++)
            if (way == NO_PIDFD && mode == EXEC)
                status(EXEC, NO_PIDFD, "exit", "7", 125 << 8, "refused (125): nothing is started");
            else
                all_cases(mode, way);
    printf("done\t%d trials\t%d failed\t%d survivors\t%ld ms\n", trials, failures, left_over, now() - begun);
    fflush(stdout);
    if (is_init) {
        sync();
        reboot(LINUX_REBOOT_CMD_POWER_OFF);
    }
    return failures != 0;
}
