"""The kernel's facts, one module of `pdwrap/linux` each."""
