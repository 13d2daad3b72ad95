"""What will be done to which device, in which order, and how it is undone. Pure.

A plan is pinned to what it was made from: the hashes of every device's running and intended configuration. The
configurations themselves are not in it, so that a plan file holds no secret; they are rendered anew when it is carried
out and must have the same hashes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from math import ceil

from inventory.network import Network
from netdr.kernel.errors import DriftError, Problems, UsageError
from nornir_tasks import blast, inband
from nornir_tasks.diff import digest
from nornir_tasks.paths import Paths

FORMAT = 2
# The least time after which a device goes back by itself, and the most that it may be left alone for: seconds.
LEAST, MOST = 120, 900
# A commit costs a device about a second, and in the lab all devices share two processors: so much for one that was
# never measured leaves room for a machine that is busy with other things, too.
UNMEASURED = 4
# How long before the devices' timers a change must be confirmed: seconds.
RESERVE = 10


@dataclass(frozen=True, slots=True)
class Timers:
    """In seconds: ``revert`` of the devices' own timer, ``gate`` for a wave to answer, ``settle`` for routing."""

    revert: int = LEAST
    gate: int = 30
    settle: int = 45

    @classmethod
    def of(cls, waves: Iterable[Collection[str]], seconds: Mapping[str, float]) -> Timers:
        """Given the waves and how many seconds each device's last commits took, return the timers.

        ``revert`` = for every wave twice the longest of its devices' measured times, and a gate; then ``settle`` and
        RESERVE; not less than LEAST, so that a slow day does no harm, nor more than MOST, so that a device that is cut
        off is not left alone for long. A device that was never measured counts as the longest measured one. Where
        nothing was measured: UNMEASURED for every device, not less than LEAST.
        """
        waves = [tuple(wave) for wave in waves]
        known = [seconds[device] for wave in waves for device in wave if device in seconds]
        if not known:
            return cls(revert=max(LEAST, UNMEASURED * sum(map(len, waves))))
        longest = [max(seconds.get(device, max(known)) for device in wave) for wave in waves if wave]
        wanted = sum(2 * time + cls().gate for time in longest) + cls().settle + RESERVE
        return cls(revert=min(MOST, max(LEAST, ceil(wanted))))


@dataclass(frozen=True, slots=True)
class Change:
    """One device of a plan. ``diff`` is redacted, and empty if nothing changes; the hashes are SHA-256."""

    device: str
    mechanism: str
    running: str
    intended: str
    diff: str

    @property
    def changes(self) -> bool:
        """Whether the device changes at all."""
        return self.running != self.intended


@dataclass(frozen=True, slots=True)
class Plan:
    """A change of the network. ``waves`` holds the devices that change, farthest from the controller first.

    ``inventory`` is the revision it was made from, ``author`` who made it; ``notes`` say what is unusual about it.
    """

    id: str
    created: str
    district: str
    controller: str
    placement: Mapping[str, str]
    timers: Timers
    checks: tuple[str, ...]
    waves: tuple[tuple[str, ...], ...]
    devices: Mapping[str, Change]
    inventory: str = ""
    author: str = ""
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[str, ...]:
        """The devices that change, in the order of the waves."""
        return tuple(device for wave in self.waves for device in wave)


@dataclass(frozen=True, slots=True)
class Observed:
    """One device as it is and as it should be. Both texts hold secrets."""

    running: str
    intended: str
    diff: str
    mechanism: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What a plan depends on besides the devices: where it is carried out from, where services are, what is checked.

    ``commit_seconds`` is how long each device's commit took lately, as far as that was measured.
    """

    controller: str
    placement: Mapping[str, str]
    checks: tuple[str, ...] = ()
    commit_seconds: Mapping[str, float] = field(default_factory=dict)
    inventory: str = ""
    author: str = ""


def make(network: Network, setting: Setting, devices: Mapping[str, Observed], at: datetime) -> Plan:
    """Given every device in scope as it is and should be, return the plan that makes it so.

    The id is the time and the beginning of the hash of all that the plan is pinned to. Raise Problems if there is no
    order in which the change does not cut off the controller that makes it.
    """
    changes = {
        device: Change(device, seen.mechanism, digest(seen.running), digest(seen.intended), seen.diff)
        for device, seen in devices.items()
    }
    pinned = json.dumps([[c.device, c.running, c.intended] for c in changes.values()])
    waves, notes = _waves(network, setting, devices)
    return Plan(
        id=f"{at:%Y%m%dT%H%M%SZ}-{digest(pinned)[:8]}",
        created=at.isoformat(timespec="seconds"),
        district=network.district.settings.id,
        controller=setting.controller,
        placement=dict(setting.placement),
        timers=Timers.of(waves, setting.commit_seconds),
        checks=setting.checks,
        waves=waves,
        devices=changes,
        inventory=setting.inventory,
        author=setting.author,
        notes=notes,
    )


def _waves(
    network: Network, setting: Setting, devices: Mapping[str, Observed]
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Return the waves and why they are not the usual ones."""
    diffs = {device: seen.diff for device, seen in devices.items() if seen.running != seen.intended}
    paths = Paths.of(network, setting.controller)
    waves = blast.waves(network, paths, setting.placement, blast.classes(network, diffs))
    texts = {device: (seen.running, seen.intended) for device, seen in devices.items()}
    return inband.ordered(network, setting.controller, texts, waves)


def pinned(plan: Plan, intended: Mapping[str, str]) -> None:
    """Raise DriftError for every device whose intended configuration is no longer the one that was planned."""
    moved = [
        DriftError(
            "what it should say has changed since the plan was made",
            where=device,
            why=f"intended {digest(intended[device])[:8]}, planned {change.intended[:8]}" if device in intended else "",
            hint="the inventory, the templates, the secrets or the placement changed: make the plan again",
        )
        for device, change in plan.devices.items()
        if device not in intended or digest(intended[device]) != change.intended
    ]
    if moved:
        raise Problems(moved)


def narrowed(plan: Plan, devices: Iterable[str]) -> Plan:
    """Return the plan for some of its devices only. Raise UsageError if one of them is not in it."""
    kept = set(devices)
    if missing := sorted(kept - set(plan.devices)):
        raise UsageError(f"not in the plan: {', '.join(missing)}", hint="make a plan for them, or leave them out")
    small = tuple(tuple(device for device in wave if device in kept) for wave in plan.waves)
    return replace(
        plan,
        waves=tuple(wave for wave in small if wave),
        devices={device: change for device, change in plan.devices.items() if device in kept},
    )


def dump(plan: Plan) -> str:
    """Return a plan as JSON text for a file."""
    return json.dumps({"format": FORMAT, **asdict(plan)}, ensure_ascii=False, indent=1) + "\n"


def parse(text: str, where: str) -> Plan:
    """Return the plan of a file's text; ``parse(dump(plan)) == plan``. Raise UsageError if it is not one."""
    try:
        value = json.loads(text)
        if value.pop("format") != FORMAT:
            raise UsageError("a plan of another version of netdr", where=where, hint="make the plan again")
        return Plan(
            **{
                **value,
                "timers": Timers(**value["timers"]),
                "checks": tuple(value["checks"]),
                "notes": tuple(value["notes"]),
                "waves": tuple(tuple(wave) for wave in value["waves"]),
                "devices": {device: Change(**change) for device, change in value["devices"].items()},
            }
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError("not a plan", where=where, why=str(error), hint="netdr plan --out FILE writes one") from error
