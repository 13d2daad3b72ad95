"""Every name that is used must be the name of something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inventory import platforms
from inventory.check.finding import Check, Finding
from inventory.model import District
from inventory.source import Step
from netdr.kernel.errors import unknown

EACH = "*"
# Where names are used, and the field of the District that knows them.
_USES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("settings", "management", "syslog", EACH), "host", "hosts"),
    (("settings", "management", "ntp", EACH), "host", "hosts"),
    (("devices", EACH, "site"), "site", "sites"),
    (("links", EACH, "ends", EACH), "device", "devices"),
    (("hosts", EACH, "site"), "site", "sites"),
    (("hosts", EACH, "uplinks", EACH), "device", "devices"),
    (("units", EACH, "user_class"), "class", "classes"),
    (("units", EACH, "uplinks", EACH), "device", "devices"),
    (("units", EACH, "vlans", EACH, "zone"), "zone", "zones"),
    (("rules", EACH, "source", "zone"), "zone", "zones"),
    (("rules", EACH, "source", "classes", EACH), "class", "classes"),
    (("rules", EACH, "to", "services", EACH), "service", "services"),
    (("rules", EACH, "to", "zone"), "zone", "zones"),
    (("uplink", "peers", EACH, "device"), "device", "devices"),
    (("services", EACH, "home"), "site", "sites"),
    (("services", EACH, "standby"), "site", "sites"),
    (("services", EACH, "protection"), "protection", "protections"),
    (("assets", EACH, "home"), "site", "sites"),
    (("assets", EACH, "standby"), "site", "sites"),
    (("assets", EACH, "protection"), "protection", "protections"),
)
_NOUNS = {
    "settings": "district",
    "devices": "device",
    "links": "link",
    "hosts": "host",
    "units": "unit",
    "rules": "rule",
    "uplink": "uplink",
    "services": "service",
    "assets": "asset",
}


def values(holder: Any, steps: tuple[str, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:  # noqa: ANN401 - any model
    """Yield each value that the steps lead to, with the place of each; a value that is None or absent is not one."""
    if not steps:
        if holder is not None:
            yield (), holder
    elif steps[0] == EACH:
        for index, item in enumerate(holder):
            yield from (((index, *rest), value) for rest, value in values(item, steps[1:]))
    else:
        inner = getattr(holder, steps[0], None)
        if inner is not None:
            yield from (((steps[0], *rest), value) for rest, value in values(inner, steps[1:]))


def subject(district: District, at: tuple[Step, ...]) -> str:
    """Return what a finding at this place is about, such as ``unit 'education'``."""
    entry = getattr(district, str(at[0]))
    if not isinstance(entry, tuple):
        return _NOUNS[str(at[0])]
    name = getattr(entry[int(at[1])], "id", None) or "--".join(entry[int(at[1])].ends)
    return f"{_NOUNS[str(at[0])]} '{name}'"


def _reference(steps: tuple[str, ...], noun: str, target: str) -> Check:
    def find(district: District) -> Iterator[Finding]:
        known = {entry.id for entry in getattr(district, target)}
        for at, name in values(district, steps):
            if name not in known:
                yield Finding(at, f"{subject(district, at)}: {unknown(noun, name, known)}")

    return Check(find, frozenset({target}))


def _platforms(district: District) -> Iterator[Finding]:
    for field in ("devices", "units"):
        for at, name in values(district, (field, EACH, "platform")):
            if name not in platforms.known():
                yield Finding(at, f"{subject(district, at)}: {unknown('platform', name, platforms.ordinary())}")


CHECKS = (*(_reference(*use) for use in _USES), Check(_platforms))
