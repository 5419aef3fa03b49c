"""The tool for LocalAI: what it makes of a folder of backends, and how wrapped backends start, stop and end."""
