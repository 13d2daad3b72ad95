"""Is the verifier worth anything? Damage a scratch copy of a repository in every way there is: each must turn it red.

``rows`` says how it is damaged, ``scratch`` is what is damaged, ``trials`` lets the verifier find it, ``table`` prints
what it found. On the DR host: ``python -m backup.mutation ASSET [--json]``.
"""
