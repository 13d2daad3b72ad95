"""Command lists for line configurations without an atomic commit, safe after every command. Pure: no I/O."""
