"""Who the launcher is, and programs as launchers."""
