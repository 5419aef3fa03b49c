"""Attacks on pdwrap from outside, through its command line: random ones, one at each system call, and its peers."""
