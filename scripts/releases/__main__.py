"""Run one of them: `python scripts/releases kernels|pythons|folder`. scripts/kernels, pythons and release start it."""

import os
import sys

# Started as a folder, this is no package yet.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from releases import folder, kernels, pythons

PARTS = {"kernels": kernels.main, "pythons": pythons.main, "folder": folder.main}
sys.exit(PARTS[sys.argv[1]](sys.argv[2:]))
