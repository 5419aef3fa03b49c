"""Run one of them: `python scripts/attacks chaos|points|compare|load`."""

import os
import sys

# Started as a folder, this is no package yet.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from attacks.cli import main

sys.exit(main(sys.argv[1:]))
