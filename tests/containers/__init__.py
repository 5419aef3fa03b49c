"""In pid namespaces, as PID 1 and below one."""
