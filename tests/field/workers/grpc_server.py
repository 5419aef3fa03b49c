"""``grpc_server.py PORT COUNT [--watch SECONDS]``: a gRPC server of *COUNT* processes on one port (SO_REUSEPORT).

As LocalAI's Python backends: SIGTERM stops the server of a process at once; with ``--watch`` the master looks every
*SECONDS* whether its parent has changed, and exits if so. The processes are forked before gRPC is imported, which
cannot be forked afterwards. Each says ``serving PID`` when it serves. A call (grpc_client.py) gets ``working PID
LOOKS`` for its first message, and ``done`` for its second; *LOOKS* is how often the master has looked for its parent.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import threading
from collections.abc import Iterator

looks = ctypes.c_int.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
"""Shared by all."""


def call(requests: Iterator[bytes], _: object) -> Iterator[bytes]:
    """One call: half an answer for each half of the question."""
    next(requests)
    yield f"working {os.getpid()} {looks.value}".encode()
    next(requests)
    yield b"done"


def serve(port: str) -> None:
    """Serve in this process, until SIGTERM."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    server = grpc.server(ThreadPoolExecutor(max_workers=40), options=[("grpc.so_reuseport", 1)])
    handler = grpc.method_handlers_generic_handler("Field", {"Call": grpc.stream_stream_rpc_method_handler(call)})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    ended = threading.Event()

    def stop(*_: object) -> None:
        server.stop(0)
        ended.set()

    signal.signal(signal.SIGTERM, stop)
    server.start()
    os.write(2, f"serving {os.getpid()}\n".encode())
    ended.wait()


def watch(seconds: float) -> None:
    """Exit when the parent has changed."""
    parent = os.getppid()
    never = threading.Event()
    while os.getppid() == parent:
        looks.value += 1
        never.wait(seconds)
    os.write(2, b"the parent has changed\n")
    os._exit(1)


def main() -> None:
    """Fork the servers, and wait for them."""
    port, count, *rest = sys.argv[1:]
    pids = []
    for _ in range(int(count)):
        pids.append(os.fork())
        if pids[-1] == 0:
            serve(port)
            return
    if rest:
        threading.Thread(target=watch, args=(float(rest[1]),), daemon=True).start()
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
