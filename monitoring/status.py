"""What the local Prometheus and Alertmanager say, over their HTTP interfaces."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from monitoring.daemons import ALERTMANAGER, PROMETHEUS
from netdr.kernel.errors import MonitorError

TIMEOUT_S = 5.0
POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class TargetState:
    """Whether a device's last scrape gave an answer, and why not."""

    device: str
    up: bool
    why: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that Alertmanager holds; ``suppressed`` when a silence or its cause's alert holds it back."""

    name: str
    severity: str
    suppressed: bool
    since: str
    labels: Mapping[str, str]
    summary: str
    summary_zh: str

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Return whether this is an alert called ``name`` that has all of ``labels``."""
        return self.name == name and labels.items() <= self.labels.items()


@dataclass(frozen=True, slots=True)
class Watcher:
    """Prometheus and Alertmanager, each ``ADDRESS:PORT``."""

    prometheus: str = PROMETHEUS
    alertmanager: str = ALERTMANAGER

    def targets(self) -> tuple[TargetState, ...]:
        """Return every device Prometheus scrapes, by name. Raise MonitorError if it does not answer."""
        found = _get(self.prometheus, "/api/v1/targets?state=active")["data"]["activeTargets"]
        causes = _get(self.prometheus, "/api/v1/query?query=snmp_target_failure")["data"]["result"]
        why = {each["metric"]["device"]: each["metric"]["cause"].replace("-", " ") for each in causes}
        states = (_target(each, why) for each in found if each["labels"]["job"] == "snmp")
        return tuple(sorted(states, key=lambda state: state.device))

    def alerts(self) -> tuple[Alert, ...]:
        """Return every alert Alertmanager holds, by name and start. Raise MonitorError if it does not answer."""
        found = map(_alert, _get(self.alertmanager, "/api/v2/alerts"))
        return tuple(sorted(found, key=lambda alert: (alert.name, alert.since)))

    def wait_targets_up(self, timeout_s: float, since: float) -> float:
        """Wait until there are targets and every one is up; see ``wait``."""

        def down() -> Iterable[str]:
            states = self.targets()
            return (
                [f"{state.device}: {state.why}" for state in states if not state.up] if states else ["no targets yet"]
            )

        return wait("every target up", down, timeout_s, since)

    def wait_firing(self, name: str, labels: Mapping[str, str], timeout_s: float, since: float) -> float:
        """Wait until Alertmanager shows an alert; see ``wait``."""

        def missing() -> Iterable[str]:
            shown = self.alerts()
            return [] if any(alert.matches(name, labels) for alert in shown) else ["shown: " + _names(shown)]

        return wait(f"{name} {_text(labels)} firing", missing, timeout_s, since)

    def wait_resolved(self, name: str, labels: Mapping[str, str], timeout_s: float, since: float) -> float:
        """Wait until Alertmanager no longer shows an alert; see ``wait``."""

        def left() -> Iterable[str]:
            return [f"since {alert.since}" for alert in self.alerts() if alert.matches(name, labels)]

        return wait(f"{name} {_text(labels)} resolved", left, timeout_s, since)


def wait(goal: str, obstacles: Callable[[], Iterable[str]], timeout_s: float, since: float) -> float:
    """Ask until nothing stands in the way; return the seconds from ``since`` (Unix time) to that moment.

    Raise MonitorError with what stood in the way when ``timeout_s`` is over. A server that does not answer stands in
    the way as well: it may just be starting.
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            found = list(obstacles())
        except MonitorError as error:
            found = [str(error)]
        if not found:
            return time.time() - since
        if time.monotonic() >= end:
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            why = "; ".join(found[:5]) + more
            raise MonitorError(f"not within {timeout_s:g} s: {goal}", why=why, hint="netdr monitor status")
        time.sleep(POLL_S)


def _get(address: str, path: str) -> Any:  # noqa: ANN401 - JSON
    url = f"http://{address}{path}"
    try:
        with urlopen(Request(url), timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except (URLError, OSError, ValueError) as error:
        hint = "does it run on this machine? netdr monitor asks the controller it runs on"
        raise MonitorError("no answer", where=url, why=str(error), hint=hint) from error


def _target(found: Mapping[str, Any], causes: Mapping[str, str]) -> TargetState:
    device, up = found["labels"].get("device", ""), found["health"] == "up"
    return TargetState(device, up, "" if up else causes.get(device) or found["lastError"] or "not scraped yet")


def _alert(found: Mapping[str, Any]) -> Alert:
    labels, notes = found["labels"], found["annotations"]
    return Alert(
        name=labels["alertname"],
        severity=labels.get("severity", ""),
        suppressed=found["status"]["state"] == "suppressed",
        since=found["startsAt"],
        labels=labels,
        summary=notes.get("summary", ""),
        summary_zh=notes.get("summary_zh", ""),
    )


def _names(alerts: Iterable[Alert]) -> str:
    return ", ".join(sorted({alert.name for alert in alerts})) or "none"


def _text(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in labels.items())
