"""The few lines that put an engine, or an application of a server's, into a process: each a program of its own."""
