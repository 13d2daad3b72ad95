"""Never two active sites: who may serve now is decided again every few seconds, on every services host.

``decide`` holds the rules (pure). On a host the guard (``host``) keeps a record of the placement and obeys the rules:
what it may not serve it stops, and its databases refuse everybody (``fence``). On a controller the ``watch`` looks
after hosts and controllers, renews what may go on, and tells a site that comes back what was decided without it.
``testing`` has both sites, their lines and a clock in memory, so that the rules can be tried in every order of events.
"""
