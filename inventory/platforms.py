"""What the inventory has to know of a platform: how its ports are called.

A platform is a folder of ``templates/`` with a ``platform.yaml``; the rest of that file belongs to the network engine.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from inventory import source
from netdr.kernel.errors import InventoryError, unknown

FOLDER = Path(str(files("templates")))
# Nodes that no template is for: servers and the city's router. Linux numbers their ports from 0.
_UNMANAGED = {"server": "eth", "external": "eth"}


@cache
def known() -> tuple[str, ...]:
    """Return the names of the platforms a device can have."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/platform.yaml")))


def port(platform: str, number: int) -> str:
    """Return the name of the ``number``-th port, from 1, of a node of this platform.

    Raise InventoryError if there is no such platform or its file does not say ``ports``.
    """
    if platform in _UNMANAGED:
        return f"{_UNMANAGED[platform]}{number - 1}"
    return _pattern(platform).replace("{n}", str(number))


@cache
def _pattern(platform: str) -> str:
    if platform not in known():
        raise InventoryError(unknown("platform", platform, known()))
    document = source.read(FOLDER / platform / "platform.yaml")
    pattern = document.value.get("ports") if isinstance(document.value, dict) else None
    if not isinstance(pattern, str) or "{n}" not in pattern:
        raise InventoryError("key 'ports' must be a name with {n} for the number", where=str(document.path))
    return pattern
