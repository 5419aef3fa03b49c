"""In shells' pipes, scripts and jobs, and in programs that make a terminal."""
