"""The types every folder exchanges. Standard library only, no I/O, no knowledge of networks."""
