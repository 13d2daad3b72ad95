"""What could go wrong in a district as it is written: single points of failure, promises with one leg only. Pure.

``risks(network)`` finds them all, ``added(before, after)`` what a change adds. ``risk.Risk`` is one of them.
"""
