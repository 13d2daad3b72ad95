"""The district in a box: every node of the inventory as namespaces of this machine, running the real programs."""
