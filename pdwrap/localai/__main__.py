"""`python -I -m pdwrap.localai`."""

import sys

from pdwrap.localai.command import main

sys.exit(main())
