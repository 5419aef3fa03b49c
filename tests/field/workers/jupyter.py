"""A client of Jupyter's: ``python jupyter.py``, with the kernel `wrapped` in JUPYTER_PATH.

Runs the variable CODE in it, says ``ran WORDS`` with what that has printed, and obeys the lines of its input:
``interrupt`` (says ``interrupted``, with the error of the cell that was running), ``restart`` (says
``restarted``), ``shutdown`` (says ``down``).
"""

from __future__ import annotations

import os
import sys

from jupyter_client.manager import KernelManager


def say(*words: object) -> None:
    """One line to the test."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def main() -> None:
    """Start the kernel, and serve the test."""
    manager = KernelManager(kernel_name="wrapped")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)

    def printed(message: dict[str, dict[str, str]]) -> None:
        content = message["content"]
        if "text" in content:
            say("ran", content["text"].strip())
        if "ename" in content:
            say("interrupted", content["ename"])

    client.execute_interactive(os.environ["CODE"], output_hook=printed, timeout=60)
    for line in sys.stdin:
        if line == "interrupt\n":
            client.execute("import time; print('busy', flush=True); time.sleep(600)")
            while (message := client.get_iopub_msg(timeout=60))["msg_type"] != "error":
                if message["content"].get("text"):
                    manager.interrupt_kernel()
            say("interrupted", message["content"]["ename"])
        if line == "restart\n":
            manager.restart_kernel(now=False)
            client.wait_for_ready(timeout=60)
            say("restarted")
        if line == "shutdown\n":
            manager.shutdown_kernel()
            say("down")


main()
