"""The watch that LocalAI's backends carry within themselves, as a prefix: ask getppid() every two seconds.

Usage: parent_poll.py CMD [ARG...]
"""

import os
import signal
import subprocess
import sys
import threading
import time

INTERVAL = 2.0

launcher = os.getppid()
backend = subprocess.Popen(sys.argv[1:])


def watch() -> None:
    """End with the launcher: getppid() names another process when it has died."""
    while os.getppid() == launcher:
        time.sleep(INTERVAL)
    backend.send_signal(signal.SIGKILL)
    os._exit(1)


threading.Thread(target=watch, daemon=True).start()
sys.exit(backend.wait())
