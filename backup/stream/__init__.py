"""PostgreSQL's changes, as they happen, at the DR site: base backups and the write-ahead log that follows them.

One ``Link`` per home site whose databases are streamed. The home host lets the DR host in (``origin``); there a
receiver runs all the time (``receiver``), and ``tend`` keeps the rest in order: the slot, the base backups, what is no
longer needed. ``recover`` makes a throw-away cluster of any moment since the oldest base, ``proof`` asks it.
"""
