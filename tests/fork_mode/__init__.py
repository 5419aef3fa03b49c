"""The processes of fork mode, one module of `pdwrap/fork_mode` each."""
