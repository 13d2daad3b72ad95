"""Proof that a copy at the DR site comes back, in four levels; each includes those before it.

* v1: the bytes of the repository are what was written, and no snapshot is missing (``stored``, ``coverage``)
* v2: the restored files are those of the manifest that was made at the source (``backup.restored``)
* v3: the service's own program starts from them, isolated, on its real port (``application``)
* v4: it answers as it should: queries, canaries, pages and records read through it (``answers``)

``verify.run`` does it, on the DR host with what is there: the home site is not asked. Each proof leaves a bundle of
evidence (``evidence``) whose hash is in the ledger.
"""
