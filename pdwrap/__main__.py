"""`python -m pdwrap`."""

import sys

from pdwrap.entry import main

main(sys.argv[1:])
