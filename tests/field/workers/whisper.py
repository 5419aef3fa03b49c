"""``whisper.py MODEL PORT``: whisper.cpp (pywhispercpp); a byte on a connection has it listen to two minutes of noise.

The engine works in the main thread, where Python runs handlers of signals: between native calls, not in one.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

import numpy as np
from pywhispercpp.model import Model

RATE = 16000


def say(words: str) -> None:
    """One line to the test."""
    os.write(2, f"worker: {words}\n".encode())


def stop(*_: object) -> None:
    """End."""
    say("SIGTERM")
    sys.exit(0)


def main() -> None:
    """Serve one connection after the other."""
    signal.signal(signal.SIGTERM, stop)
    model = Model(sys.argv[1], redirect_whispercpp_logs_to=None, n_threads=1, print_progress=False)
    noise = np.random.default_rng(8).normal(0, 0.1, 120 * RATE).astype(np.float32)
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as server:
        while True:
            link, _ = server.accept()
            with link:
                if link.recv(1):
                    say("working")
                    model.transcribe(noise)
                    say("done")


if __name__ == "__main__":
    main()
