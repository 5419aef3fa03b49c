#!/usr/bin/env python3
"""A launcher that hands its backend over to a successor: ``successor.py llama-server --port 8080``.

On SIGUSR2 it starts its successor (this program again, as it is on the disk by then) and exits. The backend stays, and
ends when the last of them is dead. A supervisor that *executes* itself anew needs none of this: it is the same process.
"""

import os
import signal
import subprocess
import sys

asked = {signal.SIGUSR2, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, asked)  # before anything else: none is lost

if "BACKEND_LIFELINE" in os.environ:
    lifeline = int(os.environ["BACKEND_LIFELINE"])  # its predecessor's
    os.set_inheritable(lifeline, False)
else:
    backend_end, lifeline = os.pipe()
    options = ["--watch", "off", "--lifeline", str(backend_end)]
    subprocess.Popen(["pdwrap", *options, "--", *sys.argv[1:]], pass_fds=[backend_end], start_new_session=True)
    os.close(backend_end)
print("launcher", os.getpid(), flush=True)

if signal.sigwait(asked) == signal.SIGUSR2:
    env = {**os.environ, "BACKEND_LIFELINE": str(lifeline)}
    subprocess.Popen([sys.executable, *sys.argv], pass_fds=[lifeline], env=env)
