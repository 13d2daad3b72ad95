"""Guards and watches on the lab's hosts and controllers: a site that is alone stops, the old one stays out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from lab import control
from lab.testing import RunningLab

pytestmark = pytest.mark.lab


def until(ready: Callable[[], object], limit: float) -> None:
    end = time.monotonic() + limit
    while not ready():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.5)


def guard(lab: RunningLab, host: str) -> Mapping[str, Any]:
    """Return how a host's guard stands, nothing if it has none."""
    done = lab.run(host, "cat", "/run/netdr/guard/standing.json")
    return json.loads(done.stdout) if done.returncode == 0 else {}


def may(lab: RunningLab, host: str) -> tuple[str, ...]:
    return tuple(guard(lab, host).get("may", ()))


def adopt(lab: RunningLab, controller: str, epoch: int, active: Mapping[str, str]) -> None:
    """Decide as the step of a recovery does: in the controller's own record; the watches tell everybody else."""
    text = json.dumps({"epoch": epoch, "active": active})
    done = lab.run(controller, "sh", "-c", 'printf %s "$1" | netdr dr adopt', "sh", text)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def guarded(deployed_lab: RunningLab) -> Iterator[RunningLab]:
    lab = deployed_lab
    controllers = [node.id for node in lab.network.hosts("controller")]
    for name in controllers:
        done = lab.run(name, "netdr", "dr", "watch", "--start")
        assert done.returncode == 0, done.stderr
    yield lab
    # Other tests share this lab: it is left as it was, without guards, in the placement of the beginning.
    for name in controllers:
        assert lab.run(name, "netdr", "dr", "watch", "--stop").returncode == 0
        lab.run(name, "sh", "-c", "cd /var/lib/netdr && rm -f guard.json placement.json")
    for node in lab.network.hosts("services"):
        lab.run(node.id, "sh", "-c", "kill $(cat /run/netdr/guard/netdr-guard.pid)")
        lab.run(node.id, "rm", "-rf", "/run/netdr/guard", "/etc/netdr/guard", "/var/lib/netdr/guard")


def test_two_sites_are_never_active(guarded: RunningLab) -> None:
    network = guarded.network
    services = {one.id: one for one in network.district.services}
    main, away = (next(iter({getattr(one, site) for one in services.values()})) for site in ("home", "standby"))
    store, other = (network.hosts("services", site)[0].id for site in (main, away))
    boss = network.hosts("controller", away)[0].id
    serving = tuple(sorted(services))
    until(lambda: may(guarded, store) == serving, 60)
    # Who gets a guard goes on serving.
    assert tuple(guard(guarded, store)["running"]) == serving
    assert may(guarded, other) == ()
    # Alone: nobody confirms, no witness answers.
    (wire,) = network.wires_of(store)
    control.break_(guarded.name, wire.name)
    until(lambda: guard(guarded, store)["shut"] == list(serving), 50)
    database = next(source.database for one in services.values() for source in one.data if source.kind == "postgresql")
    asked = guarded.run(
        store,
        "setpriv",
        "--reuid=www-data",
        "--regid=www-data",
        "--clear-groups",
        "psql",
        "-U",
        database,
        "-d",
        database,
        "-c",
        "select 1",
    )
    assert "too many connections" in asked.stderr
    control.heal(guarded.name, wire.name)
    until(lambda: tuple(guard(guarded, store)["running"]) == serving, 60)
    # Moved: the old host has carried it out before the new one may begin.
    adopt(guarded, boss, 1, dict.fromkeys(services, away))
    until(lambda: may(guarded, other) == serving, 60)
    assert guard(guarded, store)["acked"] == 1
    assert guard(guarded, store)["running"] == []
    # What somebody starts by hand at the wrong site ends again.
    guarded.run(store, f"/etc/netdr/services/{serving[0]}", "start")
    until(lambda: guard(guarded, store)["running"] == [], 20)
    adopt(guarded, boss, 2, dict.fromkeys(services, main))
    until(lambda: may(guarded, store) == serving, 60)
    for name in serving:
        assert guarded.run(store, f"/etc/netdr/services/{name}", "start").returncode == 0
