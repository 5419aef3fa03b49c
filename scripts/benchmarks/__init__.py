"""What scripts/bench is made of: what it compares, how it measures each, how it tells the result."""
