"""``llama.py MODEL PORT``: llama.cpp's server, as xllamacpp has it; SIGTERM lets go of it in order."""

from __future__ import annotations

import os
import signal
import sys
import threading

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.port, params.fit_params = sys.argv[1], int(sys.argv[2]), False
server = xllamacpp.Server(params)
told = threading.Event()


def stop(*_: object) -> None:
    """Say it, and end."""
    os.write(2, b"worker: SIGTERM\n")
    told.set()


signal.signal(signal.SIGTERM, stop)
os.write(2, b"worker: ready\n")
told.wait()
del server
os.write(2, b"worker: stopped\n")
