"""What is promised in both modes, through whole process trees: ends, nothing by mistake, status and lines."""
