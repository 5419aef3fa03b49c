"""Exec mode: its modules, and what it promises in ways of its own."""
