"""The way back and the way forward of a change, as the journal keeps them: compressed, and encrypted."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from inventory import secrets as vault
from netdr.kernel.errors import NetdrError
from nornir_tasks.session import Neighbours
from nornir_tasks.verify import Before


@dataclass(frozen=True, slots=True)
class Texts:
    """What every device of a change is to run, and what those that change ran before. Holds secrets: never shown."""

    after: Mapping[str, str] = field(repr=False)
    before: Mapping[str, Before] = field(default_factory=dict, repr=False)


def pack(state: Path, texts: Texts) -> bytes:
    """Return texts sealed with the vault's password. Raise InventoryError if there is none."""
    before = {device: [was.running, _plain(was.neighbours)] for device, was in texts.before.items()}
    return vault.seal(state, zlib.compress(json.dumps([dict(texts.after), before]).encode()))


def unpack(state: Path, sealed: bytes) -> Texts:
    """Return what ``pack`` was given. Raise InventoryError if it cannot be opened, NetdrError if it is damaged."""
    data = vault.unseal(state, sealed)
    try:
        after, before = json.loads(zlib.decompress(data))
        return Texts(after, {device: Before(text, _neighbours(seen)) for device, (text, seen) in before.items()})
    except (zlib.error, ValueError, TypeError, LookupError) as error:
        raise NetdrError("the configurations that the journal keeps are damaged", why=str(error)) from error


def _plain(seen: Neighbours) -> Mapping[str, list[str]]:
    return {"ospf": sorted(map(str, seen.ospf)), "bgp": sorted(map(str, seen.bgp))}


def _neighbours(seen: Mapping[str, list[str]]) -> Neighbours:
    return Neighbours(frozenset(map(IPv4Address, seen["ospf"])), frozenset(map(IPv4Address, seen["bgp"])))
