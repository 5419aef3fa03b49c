"""The end of the thread that is our parent: how a stopped process sees it, and how that is told from a sent SIGCONT.

The kernel sends the parent-death signal (prctl(2), PR_SET_PDEATHSIG) when a thread ends; its process may live on, or
may just execute another program. Nothing but SIGCONT wakes a process that is stopped, and the kernel's looks as if the
parent had sent it: SI_USER, with its pid (kernel/exit.c, SEND_SIG_NOINFO). But each thread of ours has a parent-death
signal of its own, and all of them are sent at once, the first thread's first. So a second thread, which does nothing,
has SIGCONT; and the first one's SIGCHLD, with the same sender, marks it: nobody else sends such a one.

A SIGCHLD that is pending already swallows the mark: then a child's news and a thread's end have come within
microseconds, or to one that was stopped. Measured on 6.18: with the thread's end, an exec by another thread, and the
process's own death both come, SIGCHLD first.
"""

import _thread  # built in, and loaded with the interpreter

from pdwrap.linux import prctl, signals

STACK = 1 << 18  # bytes, for a thread that does nothing; the default is what `ulimit -s` says


def mark_its_end() -> None:
    """Have SIGCONT and its mark sent to us when our parent thread ends. Called by the first thread, once.

    With SIGCONT asked for before, none is missed in between.

    Raises:
        OSError: no thread can be made, or the kernel refuses: SIGCHLD alone is sent.

    """
    stands, for_ever = _thread.allocate_lock(), _thread.allocate_lock()
    stands.acquire()
    for_ever.acquire()
    done = []

    def stand() -> None:
        try:
            prctl.set_parent_death_signal(signals.SIGCONT)
            done.append(True)
        except OSError:
            pass
        finally:
            stands.release()
        for_ever.acquire()

    try:
        _thread.stack_size(STACK)
        _thread.start_new_thread(stand, ())
        stands.acquire()
    except (RuntimeError, ValueError, MemoryError):
        pass  # a limit of processes
    prctl.set_parent_death_signal(signals.SIGCHLD)
    if not done:
        raise OSError("no thread could be made")
