"""A drill: the services started from the DR copies, all at once and shut off, and used as units use them.

``exercise`` says what is tried (pure, from the inventory), ``room`` is where (a bubble with units in it), ``visitor``
runs inside and tries, ``service`` brings one service up, ``run`` does it all on the DR host. Production is not asked,
what arrives there goes on arriving, and nothing of a drill stays but its record.
"""
