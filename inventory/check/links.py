"""Lines between nodes: two different ends, one line per pair, ports that are not used twice."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.check.finding import Check, Finding
from inventory.links import link_name
from inventory.model import District
from netdr.kernel.errors import unknown


def _itself(district: District) -> Iterator[Finding]:
    for index, link in enumerate(district.links):
        if link.ends[0] == link.ends[1]:
            yield Finding(("links", index, "ends"), f"a link from '{link.ends[0]}' to itself")


def _twice(district: District) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, link in enumerate(district.links):
        name = link_name(*link.ends)
        if name in seen:
            yield Finding(("links", index, "ends"), f"link '{name}' is given twice", "a link is named by its two ends")
        seen.add(name)


def _uplinks_twice(district: District) -> Iterator[Finding]:
    for field, noun in (("units", "unit"), ("hosts", "host")):
        for index, entry in enumerate(getattr(district, field)):
            for place, uplink in enumerate(entry.uplinks):
                if uplink in entry.uplinks[:place]:
                    at = (field, index, "uplinks", place)
                    yield Finding(at, f"{noun} '{entry.id}': two uplinks to '{uplink}'")


def _pins(district: District) -> Iterator[Finding]:
    taken: dict[tuple[str, str], str] = {}
    for index, link in enumerate(district.links):
        name = link_name(*link.ends)
        for node, port in link.ports.items():
            at = ("links", index, "ports", node)
            if node not in link.ends:
                yield Finding(at, f"link '{name}': {unknown('end', node, link.ends)}")
            elif (node, port) in taken:
                yield Finding(at, f"link '{name}': port '{port}' of '{node}' is taken", f"by {taken[node, port]}")
            taken.setdefault((node, port), f"link '{name}'")


CHECKS = (Check(_itself), Check(_twice), Check(_uplinks_twice), Check(_pins))
