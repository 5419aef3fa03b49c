"""T1, T4: the one file of scripts/build-standalone: what it needs, what it leaves alone, and how it is made."""
