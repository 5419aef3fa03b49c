"""What is decided without a process: tables, options' words, durations, lines; and who may import whom."""
