"""Bringing services back at the other site, and home again.

``plan`` says which steps in which order (pure), ``run`` carries a plan out and journals it, ``failover`` and
``failback`` give the steps their actions, ``report`` turns what happened into figures. The network is changed only
through a function that the door hands over.
"""
