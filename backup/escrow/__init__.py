"""Keys that outlive everybody who knew them: sealed for a key that only k of n people together can put together again.

``shares`` splits and joins, ``seal`` seals and opens, ``bundle`` is the file that both sites keep, ``keep`` what a host
does with it, ``recover`` the way back on a bare host. Sealing needs no share: a rotated password is sealed again by the
machine that rotated it.
"""
