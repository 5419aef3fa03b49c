"""``grpc_client.py PORT COUNT``: calls in flight, one at least to each of the *COUNT* processes of grpc_server.py.

gRPC has threads of its own, which a test process that forks cannot have. Says ``working PID LOOKS`` for each call, then
``ready``; then ``done`` or ``cut`` for each, as it ends. A line on descriptor 0 sends the second halves.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Iterator

import grpc

FIRST, SECOND = b"1", b"2"
LIMIT = 500


def say(words: str) -> None:
    """One line to the test."""
    os.write(1, f"{words}\n".encode())


class Call:
    """One call, on a connection of its own: the kernel chooses a process for each."""

    def __init__(self, port: str) -> None:
        """Send the first half, and wait until a process works on it."""
        self._halves: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._halves.put(FIRST)
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._answers = self._channel.stream_stream("/Field/Call")(self._send())
        self.beginning = next(self._answers).decode()

    def _send(self) -> Iterator[bytes]:
        yield self._halves.get()
        yield self._halves.get()

    def finish(self) -> None:
        """Send the second half."""
        self._halves.put(SECOND)

    def end(self) -> str:
        """Wait for the end."""
        try:
            answer: bytes = next(self._answers)
        except grpc.RpcError:
            return "cut"
        return answer.decode()


def main() -> None:
    """Call until every process is at work."""
    port, count = sys.argv[1:]
    calls: list[Call] = []
    seen: set[str] = set()
    while len(seen) < int(count):
        if len(calls) == LIMIT:
            raise RuntimeError(f"only {seen} answer")
        calls.append(Call(port))
        say(calls[-1].beginning)
        seen.add(calls[-1].beginning.split()[1])
    say("ready")

    def finish() -> None:
        if sys.stdin.readline():
            for each in calls:
                each.finish()

    threading.Thread(target=finish, daemon=True).start()
    for each in calls:
        say(each.end())


if __name__ == "__main__":
    main()
