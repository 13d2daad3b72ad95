"""The room of a drill: in the bubble, sample units with their own addresses, each behind its own switch's filter.

A unit is a network namespace with one line to the bubble, where the services are. Everything ends with the bubble.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.bubble import Bubble
from backup.drill import visitor
from backup.drill.exercise import Exercise, Pass, Sample
from backup.host import Observer, Result, Watch
from netdr.kernel.errors import MissingError, ProofError

# Seconds for a command that makes a part of the room.
QUICK = 30.0
# What every unit takes for its router. RFC 3927: link-local, so it is nobody's.
_ROUTER = "169.254.0.1"
_SPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Guest:
    """A sample unit in the room. A ``host.Shell``: what ``run`` runs, runs at the unit's user."""

    bubble: Bubble
    sample: Sample
    space: Path

    @property
    def name(self) -> str:
        """The unit's id."""
        return self.sample.unit

    def run(
        self,
        argv: Sequence[str],
        *,
        limit: float,
        stdin: str = "",
        cwd: Path | None = None,
        watch: Watch | Observer | None = None,
    ) -> Result:
        """See ``host.Shell.run``."""
        inside = ["nsenter", f"--net={self.space}", "--", *argv]
        return self.bubble.run(inside, limit=limit, stdin=stdin, cwd=cwd, watch=watch)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a guest does at an address: connect and, with a ``path``, ask; with a ``body`` of JSON, send that."""

    guest: Guest
    address: str
    port: int
    seconds: float
    path: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Visited:
    """How a visit went. ``status`` is 0 if there was no answer, ``why`` then says what happened."""

    connected: bool
    status: int
    why: str


def furnish(bubble: Bubble, exercise: Exercise) -> tuple[Guest, ...]:
    """Put an exercise's units into a bubble and return them. Raise MissingError if that cannot be done here."""
    if not exercise.samples:
        return ()
    _do(bubble, ["ip", "-batch", "-"], "".join(f"{line}\n" for line in _lines(exercise)))
    for number, sample in enumerate(exercise.samples):
        _do(bubble, ["ip", "-n", f"unit{number}", "-batch", "-"], _inside(sample))
    _do(bubble, ["nft", "-f", "-"], ruleset(exercise.samples))
    return tuple(Guest(bubble, sample, _SPACES / f"unit{number}") for number, sample in enumerate(exercise.samples))


def visited(bubble: Bubble, visits: Sequence[Visit]) -> tuple[Visited, ...]:
    """Make visits, many at once, and return how each went. Raise ProofError if none can be made."""
    if not visits:
        return ()
    wanted = json.dumps([_plain(one) for one in visits])
    limit = QUICK + sum(one.seconds for one in visits)
    got = bubble.run([sys.executable, "-I", visitor.__file__], limit=limit, stdin=wanted)
    if got.code != 0:
        raise ProofError("the drill's users cannot set out", where=bubble.name, why=got.last_words)
    return tuple(Visited(bool(one["connected"]), int(one["status"]), str(one["why"])) for one in json.loads(got.out))


def _plain(one: Visit) -> Mapping[str, object]:
    return {
        "space": str(one.guest.space),
        "address": one.address,
        "port": one.port,
        "seconds": one.seconds,
        "path": one.path,
        "body": one.body,
    }


def _lines(exercise: Exercise) -> Iterator[str]:
    """Yield ip(8)'s commands for the bubble's side."""
    for number, sample in enumerate(exercise.samples):
        yield f"netns add unit{number}"
        yield f"link add line{number} type veth peer name eth0 netns unit{number}"
        yield f"link set line{number} up"
        yield f"address add {_ROUTER}/32 dev line{number}"
        yield f"route add {sample.address}/32 dev line{number}"


def _inside(sample: Sample) -> str:
    lines = (
        "link set lo up",
        f"address add {sample.address}/32 dev eth0",
        "link set eth0 up",
        f"route add {_ROUTER}/32 dev eth0",
        f"route add default via {_ROUTER} dev eth0 src {sample.address}",
    )
    return "".join(f"{line}\n" for line in lines)


def ruleset(samples: Sequence[Sample]) -> str:
    """Return what lets into the bubble what each unit's switch would let out of the unit, for nft(8)."""
    jumps = "".join(f'\t\tiifname "line{n}" ip saddr {one.address} jump unit{n}\n' for n, one in enumerate(samples))
    chains = "".join(_chain(number, one) for number, one in enumerate(samples))
    return (
        f"table inet drill {{\n{chains}\tchain input {{\n\t\ttype filter hook input priority filter; policy drop;\n"
        f'\t\tiifname "lo" accept\n\t\tct state established,related accept\n{jumps}\t}}\n}}\n'
    )


def _chain(number: int, sample: Sample) -> str:
    lines = "".join(f"\t\t{_line(one)}\n" for one in sample.passes)
    return f"\tchain unit{number} {{\n{lines}\t\tdrop\n\t}}\n"


def _line(one: Pass) -> str:
    if one.protocol == "icmp":
        match = "icmp type echo-request "
    elif one.protocol:
        match = f"{one.protocol} dport {{ {', '.join(map(str, one.ports))} }} "
    else:
        match = ""
    towards = "" if one.destination.endswith("/0") else f"ip daddr {one.destination} "
    return f"{towards}{match}{'accept' if one.permitted else 'drop'}"


def _do(bubble: Bubble, argv: Sequence[str], stdin: str) -> None:
    got = bubble.run(argv, limit=QUICK, stdin=stdin)
    if got.code != 0:
        hint = "a drill's units need iproute2 and nftables on the DR host: apt-get install iproute2 nftables"
        raise MissingError("the drill's units cannot be set up", where=bubble.name, why=got.last_words, hint=hint)
