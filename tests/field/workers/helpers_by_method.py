"""``helpers_by_method.py PORT KIND METHOD [stubborn]``: a master whose three helpers serve *PORT* (load.py).

*KIND* is how it starts them: one by one (``process``), as a ``multiprocessing.Pool`` (``pool``) or as a
``ProcessPoolExecutor`` (``executor``); *METHOD* is multiprocessing's start method. The master says ``memory NAME`` when
it has some shared memory, which starts the resource tracker. *stubborn* helpers ignore SIGTERM.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.shared_memory import SharedMemory

COUNT = 3


listeners: list[socket.socket] = []


def keep(listener: socket.socket, stubborn: bool) -> None:  # noqa: FBT001 - pools call with positions alone
    """At the start of a helper: what its task needs."""
    listeners.append(listener)
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def serve(number: int) -> None:
    """A helper's task, without end: begin an answer at a request's first byte, end it at the second."""
    while True:
        link, _ = listeners[-1].accept()
        with link:
            if link.recv(1):
                link.sendall(f"working {os.getpid()}\n".encode())
                link.sendall(b"done\n" if link.recv(1) else b"")


def keep_and_serve(listener: socket.socket, stubborn: bool) -> None:  # noqa: FBT001 - as above
    """Both, for a helper without a pool."""
    keep(listener, stubborn)
    serve(0)


def main() -> None:
    """Start the helpers, and wait for them."""
    port, kind, method, *rest = sys.argv[1:]
    multiprocessing.set_start_method(method)
    memory = SharedMemory(create=True, size=1)
    os.write(2, f"memory {memory.name}\n".encode())
    listener = socket.create_server(("127.0.0.1", int(port)))
    arguments = (listener, bool(rest))
    if kind == "process":
        helpers = [multiprocessing.Process(target=keep_and_serve, args=arguments) for _ in range(COUNT)]
        for each in helpers:
            each.start()
        for each in helpers:
            each.join()
    elif kind == "pool":
        with multiprocessing.Pool(COUNT, keep, arguments) as pool:
            pool.map(serve, range(COUNT), chunksize=1)
    else:
        with ProcessPoolExecutor(COUNT, initializer=keep, initargs=arguments) as executor:
            list(executor.map(serve, range(COUNT)))


if __name__ == "__main__":
    main()
