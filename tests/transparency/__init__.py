"""T1: nothing else changes for the backend."""
