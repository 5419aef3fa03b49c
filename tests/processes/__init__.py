"""What runs on this machine: how pdwrap is known, and what is left of before."""
