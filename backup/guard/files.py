"""What a guard keeps on its host: its book, its record of the placement, the orders it got, how it stands.

The record is durable. Orders and standing are below /run: a reboot loses them, a restart of the guard does not.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from backup.guard import clock
from backup.guard.book import Book
from backup.guard.decide import NEVER, Held, Order
from backup.repository import write_private
from netdr.kernel.errors import RecoveryError


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of a guard. ``under`` puts them all below another root, for tests."""

    settings: Path = Path("/etc/netdr/guard")
    state: Path = Path("/var/lib/netdr/guard")
    runtime: Path = Path("/run/netdr/guard")
    services: Path = Path("/etc/netdr/services")

    @classmethod
    def under(cls, root: Path) -> Place:
        """Return the same folders below ``root``."""
        return cls(**{name: root / str(getattr(cls(), name)).lstrip("/") for name in cls.__slots__})

    @property
    def book(self) -> Path:
        """What a controller has handed over."""
        return self.settings / "book.json"

    @property
    def record(self) -> Path:
        """The placement as this host knows it."""
        return self.state / "record.json"

    @property
    def standing(self) -> Path:
        """How the guard stands since its last look."""
        return self.runtime / "standing.json"

    @property
    def orders(self) -> Path:
        """A file for each controller: what it said last."""
        return self.runtime / "orders"

    def load_book(self) -> Book:
        """Return the book. Raise RecoveryError if there is none, or it cannot be read."""
        try:
            text = self.book.read_text(encoding="utf-8")
        except OSError as error:
            hint = "netdr dr watch on a controller hands it over"
            raise RecoveryError("the guard has no book", where=str(self.book), why=str(error), hint=hint) from error
        return Book.load(text, str(self.book))


@dataclass(frozen=True, slots=True)
class Record:
    """The placement that a host has written down, and the epoch in which it served each service the last time."""

    epoch: int
    active: Mapping[str, str]
    served: Mapping[str, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Replace the file at once and durably."""
        write_private(path, json.dumps(asdict(self), indent=2) + "\n", mode=0o644)

    @classmethod
    def load(cls, path: Path, home: Mapping[str, str]) -> Record:
        """Return the record; every service at ``home`` in epoch 0 if there is none.

        One that cannot be read serves nothing: epoch -1, so that any placement is newer.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(value["epoch"]), dict(value["active"]), dict(value["served"]))
        except FileNotFoundError:
            return cls(0, dict(home))
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return cls(-1, {})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guard stood ``at`` a moment of its host's clock.

    ``life``: which run of the host this is. ``acked``: the epoch that is written down and carried out, so that nothing
    runs that it does not allow. ``running``: services whose address is here; ``shut``: those that are stopped with
    their databases fenced; ``resume``: those to be started when they may serve; ``problems``: what could not be done.
    """

    life: str
    boot: str
    at: float
    held: Held
    book: str = ""
    acked: int = -1
    may: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @classmethod
    def taken_over(cls, record: Record, now: float) -> Standing:
        """Return the standing of a host that is guarded for the first time and goes on with what it serves."""
        found = cls.fresh(record, now)
        return replace(found, held=replace(found.held, confirmed=True, heard=now))

    @classmethod
    def fresh(cls, record: Record, now: float) -> Standing:
        """Return the standing of a host that has just booted: nothing is confirmed."""
        resume = tuple(name for name, epoch in record.served.items() if epoch == record.epoch)
        return cls(secrets.token_hex(8), clock.boot(), now, Held(record.epoch, record.active), resume=resume)

    def dump(self) -> str:
        """Return it as one line of JSON."""
        value = asdict(self)
        value["held"]["heard"] = None if self.held.heard == NEVER else self.held.heard
        return json.dumps(value) + "\n"

    @classmethod
    def load(cls, text: str) -> Standing:
        """Return what ``dump`` wrote. Raise ValueError if the text is not that."""
        try:
            value: dict[str, Any] = json.loads(text)
            held = Held(**value["held"])
            value["held"] = held if held.heard is not None else replace(held, heard=NEVER)
            fields: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}
            return cls(**fields)
        except (TypeError, LookupError, AttributeError) as error:
            message = f"no standing of a guard: {error}"
            raise ValueError(message) from error


def dump_order(order: Order, life: str) -> str:
    """Return an order to the host in its run ``life``, as one line of JSON."""
    return json.dumps({**asdict(order), "life": life}) + "\n"


def orders(files: Iterable[Path], life: str) -> tuple[Order, ...]:
    """Return the orders in files; what was asked for in another run of the host confirms nothing, junk is left out."""
    found = []
    for path in sorted(files):
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            asked = float(value["asked"]) if value["asked"] is not None and value["life"] == life else None
            found.append(Order(int(value["epoch"]), dict(value["active"]), asked))
        except (OSError, ValueError, TypeError, LookupError):
            continue
    return tuple(found)
