"""`python -I -m pdwrap`; without -I, Python looks into the current folder and PYTHONPATH before our first line."""

import _signal

if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # see scripts/pdwrap

import sys

for _n, _entry in enumerate(sys.path):
    if _entry.endswith(".zip") and _entry.startswith(sys.base_prefix):
        del sys.path[:_n]  # see scripts/pdwrap
        break
_home = __file__.rpartition("/pdwrap/")[0]
if _home not in sys.path:
    sys.path.append(_home)

from pdwrap.entry import main  # noqa: E402 - signals and the path are put right before

main(sys.argv[1:])
