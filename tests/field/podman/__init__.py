"""podman with runc, as Debian has them, with a store, a network and mounts of its own: nothing of it outlives pytest.

`engine` calls it and builds images; `box` is a running container, and who is who in it; `witness.c` is the backend.
"""

from .box import Box, Boxes, FifoVoice
from .engine import Engine

__all__ = ["Box", "Boxes", "Engine", "FifoVoice"]
