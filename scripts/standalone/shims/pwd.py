"""No look-up of users in the one file (lookups.c): nobody is known by name, and numbers serve."""


def getpwuid(uid: int) -> object:
    """Know nobody."""
    raise KeyError(f"getpwuid(): uid not found: {uid}")


def getpwnam(name: str) -> object:
    """Know nobody."""
    raise KeyError(f"getpwnam(): name not found: {name!r}")
