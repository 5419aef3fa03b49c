"""`python -m pdwrap`."""

import _signal

if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # see scripts/pdwrap

import sys

from pdwrap.entry import main

main(sys.argv[1:])
