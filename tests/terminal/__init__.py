"""T2 and T3 at a terminal: keys, job control, hang-ups."""
