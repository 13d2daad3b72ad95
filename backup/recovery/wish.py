"""What is asked for when a recovery begins, and the run that this makes in a district."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from backup.recovery.runs import Run
from backup.recovery.scenario import Scenario
from backup.recovery.scene import moved
from backup.remote import chosen
from inventory.asset import Service
from inventory.network import Network
from inventory.placement import Placement
from netdr.kernel.errors import RecoveryError, UsageError, unknown


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for: a scenario for services, or for a site or device.

    ``moment``: ISO 8601. ``lost_at``: the Unix time from which the RTO counts, None is now.
    """

    scenario: str
    names: tuple[str, ...] = ()
    moment: str = ""
    lost_at: float | None = None


def asked(network: Network, found: Scenario, wish: Wish, now: Placement) -> Run:
    """Return the run that a wish asks for. Raise UsageError or RecoveryError if it does not fit the district."""
    about = found.written.about
    moment = _moment(found, wish.moment)
    subject = "" if about == "services" else _subject(network, about, wish.names)
    services = network.district.services if subject else _services(network, found, wish.names, now)
    names = tuple(service.id for service in services)
    return Run(
        id=datetime.now(UTC).strftime(f"{found.id}-%Y%m%dT%H%M%S.%fZ"),
        moves=found.written.moves,
        services=names,
        now=now,
        after=moved(found, services, now),
        lost_at=wish.lost_at or time.time(),
        plan=found.plan(names),
        subject=subject,
        moment=moment,
    )


def _subject(network: Network, about: str, names: Sequence[str]) -> str:
    known = [one.id for one in (network.district.sites if about == "site" else network.devices)]
    if len(names) != 1:
        raise UsageError(f"name the one {about} that is lost", hint=f"known: {', '.join(known)}")
    if names[0] not in known:
        raise UsageError(unknown(about, names[0], known))
    return names[0]


def _services(network: Network, found: Scenario, names: Sequence[str], now: Placement) -> tuple[Service, ...]:
    """Return the services asked for, by default all that can be moved. Raise RecoveryError for any that cannot."""
    wanted = chosen(network.district.services, names, "service")
    if found.written.moves == "nowhere":
        return wanted
    leaving = found.written.moves == "away"
    fit = tuple(one for one in wanted if (now.active[one.id] == one.home) == leaving)
    wrong = ", ".join(one.id for one in wanted if one not in fit)
    if not fit or (names and wrong):
        raise RecoveryError("already " + ("at the DR site" if leaving else "at home"), where=wrong)
    return fit


def _moment(found: Scenario, text: str) -> str:
    """Return the moment in ISO 8601 with its offset. Raise UsageError if it is none, or one too few or too many."""
    if found.written.needs_moment != bool(text):
        what = "needs a moment to go back to" if found.written.needs_moment else "goes back to no moment"
        raise UsageError(f"scenario '{found.id}' {what}", hint="--at 2026-11-23T10:05:30+08:00")
    try:
        return datetime.fromisoformat(text).astimezone().isoformat() if text else ""
    except ValueError as error:
        raise UsageError(f"'{text}' is no moment", hint="--at 2026-11-23T10:05:30+08:00") from error
