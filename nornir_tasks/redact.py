"""Texts without their secrets: what is printed, logged, kept in plans and shown to auditors.

A secret is shown as a fingerprint made with a key of the state folder: equal secrets look equal, so a reader sees that
one changed, and without the key nobody can try guesses against it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from inventory import platforms
from netdr.kernel.secret import Secret


def redact(text: str, secrets: Mapping[str, Secret], key: bytes) -> str:
    """Return ``text`` with every value of ``secrets`` as ``<name fp:…>``.

    What stands where a platform keeps a secret (``secret_patterns``), on a line of a configuration or of a diff of two,
    becomes ``<secret fp:…>`` though nobody knows it here: a device may hold a secret that is not ours.
    """
    # The longest first: one secret may begin with another.
    for name, secret in sorted(secrets.items(), key=lambda item: -len(item[1].reveal())):
        text = text.replace(secret.reveal(), f"<{name} fp:{secret.fingerprint(key)}>")
    for pattern in _patterns():
        text = pattern.sub(lambda found: _masked(found, key), text)
    return text


def _masked(found: re.Match[str], key: bytes) -> str:
    start, end = found.start(1) - found.start(), found.end(1) - found.start()
    return f"{found[0][:start]}<secret fp:{Secret(found[1]).fingerprint(key)}>{found[0][end:]}"


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    found = (pattern for name in platforms.known() for pattern in platforms.platform(name).secret_patterns)
    return tuple(dict.fromkeys(found))
