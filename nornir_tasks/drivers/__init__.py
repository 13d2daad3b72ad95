"""One NAPALM driver per platform, and the programs that run on the devices themselves."""
