"""``parent_watcher.py PORT``: a server that ends itself when its parent changes, as LocalAI's backends do.

A thread asks getppid(2) at LOCALAI_BACKEND_PARENT_WATCH_INTERVAL (seconds, here) and calls _exit(1) if the answer is
another. A line on a connection is answered with ``looked`` when the thread has looked ten times more. On SIGTERM it
says ``stopping``, answers one more line, and ends. It has a child, which has a session of its own only if asked to
(``PORT detached``), and does not end on SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

LOOKS = 10
looked = threading.Semaphore(0)


def say(words: str) -> None:
    """One line to the test."""
    os.write(2, f"worker: {words}\n".encode())


def watch(interval: float) -> None:
    """LocalAI's thread."""
    parent = os.getppid()
    while True:
        time.sleep(interval)
        if os.getppid() != parent:
            say("parent changed")
            os._exit(1)
        looked.release()


def leave_stubborn_child(*, detached: bool) -> None:
    """Fork one."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if detached:
            os.setsid()
        say("child ready")
        while True:
            signal.pause()


def main() -> None:
    """Serve one connection."""
    leave_stubborn_child(detached="detached" in sys.argv)
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        say("stopping")

    signal.signal(signal.SIGTERM, stop)
    interval = float(os.environ["LOCALAI_BACKEND_PARENT_WATCH_INTERVAL"])
    threading.Thread(target=watch, args=(interval,), daemon=True).start()
    say("ready")
    while True:
        link, _ = server.accept()
        with link, link.makefile("rb") as lines:
            for _ in lines:
                while looked.acquire(blocking=False):
                    pass
                for _ in range(LOOKS):
                    looked.acquire()
                link.sendall(b"looked\n")
                if stopping.is_set():
                    sys.exit(0)


if __name__ == "__main__":
    main()
