"""Tests of pdwrap, by the number of the promise that each proves.

Each folder's `__init__` says what is in it. `promise`: what both modes promise, through whole process trees; begin
there. `linux`, `fork_mode`, `exec_mode`, `cli`, `localai` and `scripts` are named like what they test; `pure` has what
is decided without a process. `transparency`, `terminal`, `shell`, `launchers` and `containers`: pdwrap in its places.
`field`: among programs that others wrote. `docs`: the documents. `harness` makes the trees, and explains the words that
tests are written in. `watchdog` and `ci_no_skips` are plug-ins of pytest's.
"""
