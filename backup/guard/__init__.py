"""Never two active sites: who may serve now is decided again every few seconds, on every services host.

``decide`` holds the rules (pure). ``testing`` has both sites, their lines and a clock in memory, so that the rules can
be tried in every order of events.
"""
