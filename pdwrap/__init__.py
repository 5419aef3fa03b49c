"""pdwrap: a backend, and all that it started, ends when the process that launched it dies."""

__version__ = "0.1.0"
