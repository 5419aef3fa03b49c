"""pdwrap among programs that others wrote: ``./scripts/test --field`` installs them and runs these tests.

`service` starts a server that is not ours under the launcher of the tests, and proves that port and processes are gone
(the harness proves the rest: the test process is a subreaper, so a survivor would fall to us).
Workers, the few lines that put an engine into a process, are programs of their own in `workers/`.
"""
