"""The programs in `scripts/`."""
