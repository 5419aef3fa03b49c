/* Strike one process of a tree at one of its system calls, by ptrace(2).
 *
 *   tracer PID list                            say every system call: "NAME COUNT CALL [PATH]"
 *   tracer PID NAME COUNT kill|stop|first      when NAME enters its system call COUNT: SIGKILL it, SIGSTOP it, or SIGKILL
 *                                              the first process (the launcher) and wait until it is dead
 *   tracer PID NAME COUNT ERROR CALL           the first of the calls of number CALL from there on is not made: it fails
 *                                              with errno ERROR (another run may have made a call more or less)
 *
 * PID, which must be waiting, is "L"; the children of any process are called by the order of their birth: "L.1" is its
 * first, "L.1.2" the second one of that. What has executed something other than a Python is not looked at any longer,
 * nor is what it forks. Says "seized", then what it did: "hit CALL", or "end" when all have ended before. It then exits,
 * which lets go of all of them: from there on nothing is traced.
 *
 * A process is struck on entry: one that is killed does not make the call, one that is stopped has made it.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/ptrace.h>

enum { MOST = 4096, NAME_SIZE = 64 };

struct task {
    pid_t pid;
    char name[NAME_SIZE];
    int forks, calls, within, waits, foreign;
};

static struct task tasks[MOST];
static int count, listing, failing;
static pid_t first;
static const char *wanted, *action;
static int wanted_call, wanted_number = -1;
static long refused;

static struct task *find(pid_t pid) {
    for (int n = count; n-- > 0;)
        if (tasks[n].pid == pid) return &tasks[n];
    if (count == MOST) exit(70);
    tasks[count] = (struct task){.pid = pid};
    return &tasks[count++];
}

static int is_target(const struct task *task) {
    return !task->foreign && (listing || !strcmp(task->name, wanted));
}

static void resume(struct task *task, int number) {
    ptrace(is_target(task) ? PTRACE_SYSCALL : PTRACE_CONT, task->pid, 0, number);
}

static void named(struct task *parent, pid_t pid) {
    struct task *task = find(pid);
    char name[NAME_SIZE + 16];
    snprintf(name, sizeof name, "%s.%d", parent->name, ++parent->forks);
    memcpy(task->name, name, NAME_SIZE - 1);
    task->foreign = parent->foreign;
    if (task->waits) resume(task, 0);
}

static void executed(struct task *task) {
    char path[64], exe[4096] = "";
    snprintf(path, sizeof path, "/proc/%d/exe", task->pid);
    if (readlink(path, exe, sizeof exe - 1) < 0) return;
    const char *base = strrchr(exe, '/');
    task->foreign = base && strncmp(base + 1, "python", 6);
    task->within = 0;
    if (task->foreign && listing) printf("%s %d backend\n", task->name, task->calls);
}

static void show(struct task *task, const struct ptrace_syscall_info *info) {
    char text[256] = "";
    int at = info->entry.nr == SYS_openat || info->entry.nr == SYS_newfstatat || info->entry.nr == SYS_renameat || info->entry.nr == SYS_linkat || info->entry.nr == SYS_unlinkat || info->entry.nr == SYS_readlinkat;
    int plain = 0;
#ifdef SYS_rename
    plain = info->entry.nr == SYS_rename || info->entry.nr == SYS_unlink || info->entry.nr == SYS_stat || info->entry.nr == SYS_open || info->entry.nr == SYS_chmod || info->entry.nr == SYS_link;
#endif
    if (at || plain) {
        struct iovec here = {text, sizeof text - 1}, there = {(void *)info->entry.args[at], sizeof text - 1};
        if (process_vm_readv(task->pid, &here, 1, &there, 1, 0) < 0) text[0] = 0;
        for (char *c = text; *c; c++)
            if (*c <= ' ' || *c > '~') *c = '?';
    }
    printf("%s %d %d %s\n", task->name, task->calls, (int)info->entry.nr, text);
}

/* Registers: where the number of the call and its result are, by architecture. */
static void no_call(pid_t pid) {
#ifdef __x86_64__
    struct user_regs_struct regs;
    struct iovec all = {&regs, sizeof regs};
    ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all);
    regs.orig_rax = -1;
    ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
#elif defined __aarch64__
    int none = -1;
    struct iovec one = {&none, sizeof none};
    ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &one);
#else
#error "registers of this architecture"
#endif
}

static void fail_with(pid_t pid, int error) {
    struct user_regs_struct regs;
    struct iovec all = {&regs, sizeof regs};
    ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all);
#ifdef __x86_64__
    regs.rax = -error;
#else
    regs.regs[0] = -error;
#endif
    ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
}

static void finish(long call) {
    printf("hit %ld\n", call);
    exit(0);
}

static void strike(struct task *task, long call) {
    int status;
    if (!strcmp(action, "kill")) {
        kill(task->pid, SIGKILL);
    } else if (!strcmp(action, "stop")) {
        kill(task->pid, SIGSTOP);
    } else if (!strcmp(action, "first")) {
        kill(first, SIGKILL);
        if (task->pid != first)
            do {
                if (waitpid(first, &status, __WALL) < 0) break;
            } while (!WIFSIGNALED(status) && !WIFEXITED(status));
    } else {
        no_call(task->pid);
        failing = 1, refused = call;
        ptrace(PTRACE_SYSCALL, task->pid, 0, 0);
        return;
    }
    finish(call);
}

static void called(struct task *task) {
    struct ptrace_syscall_info info = {0};
    ptrace(PTRACE_GET_SYSCALL_INFO, task->pid, sizeof info, &info);
    if (failing) {
        fail_with(task->pid, atoi(action));
        finish(refused);
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY && is_target(task)) {
        task->calls++;
        if (listing)
            show(task, &info);
        else if (wanted_number < 0 ? task->calls == wanted_call : task->calls >= wanted_call && (long)info.entry.nr == wanted_number)
            return strike(task, (long)info.entry.nr);
    }
    resume(task, 0);
}

static void stopped(struct task *task, int status) {
    int number = WSTOPSIG(status), event = status >> 16;
    unsigned long born;
    if (number == (SIGTRAP | 0x80)) return called(task);
    if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
        if (ptrace(PTRACE_GETEVENTMSG, task->pid, 0, &born) == 0) named(task, (pid_t)born);
        return resume(task, 0);
    }
    if (event == PTRACE_EVENT_EXEC) {
        executed(task);
        return resume(task, 0);
    }
    if (event == PTRACE_EVENT_STOP) {
        if (!task->name[0]) task->waits = 1; /* born, and its parent's word of it has not come yet */
        else if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) ptrace(PTRACE_LISTEN, task->pid, 0, 0);
        else resume(task, 0);
        return;
    }
    resume(task, number);
}

int main(int words, char **word) {
    int status;
    pid_t pid;
    if (words != 3 && words != 5 && words != 6) return 64;
    setvbuf(stdout, NULL, _IOLBF, 0);
    first = atoi(word[1]);
    listing = words == 3;
    if (!listing) wanted = word[2], wanted_call = atoi(word[3]), action = word[4];
    if (words == 6) wanted_number = atoi(word[5]);
    strcpy(find(first)->name, "L");
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SEIZE, first, 0, options) || ptrace(PTRACE_INTERRUPT, first, 0, 0)) return perror("ptrace"), 71;
    if (waitpid(first, &status, __WALL) != first) return perror("waitpid"), 71;
    ptrace(is_target(&tasks[0]) ? PTRACE_SYSCALL : PTRACE_CONT, first, 0, 0);
    puts("seized");
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        struct task *task = find(pid);
        if (WIFSTOPPED(status)) stopped(task, status);
        else task->pid = 0;
    }
    puts("end");
    return 0;
}
