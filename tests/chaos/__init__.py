"""Attacks: hostile backends, malicious input, load; and that the attackers themselves see faults (scripts/chaos)."""
