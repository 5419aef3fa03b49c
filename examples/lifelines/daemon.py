#!/usr/bin/env python3
"""A launcher that daemonizes after it has started its backend: ``daemon.py llama-server --port 8080``.

The process that started the backend is gone a moment later; the daemon holds the lifeline, and the backend ends with
the daemon. A library that closes every descriptor on the way has to be told about this one (python-daemon:
``files_preserve=[lifeline]``).
"""

import os
import signal
import subprocess
import sys

backend_end, lifeline = os.pipe()
options = ["--watch", "off", "--lifeline", str(backend_end)]
subprocess.Popen(["pdwrap", *options, "--", *sys.argv[1:]], pass_fds=[backend_end], start_new_session=True)
os.close(backend_end)

if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
print("launcher", os.getpid(), flush=True)
signal.pause()  # its work
