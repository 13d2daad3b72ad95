"""What the inventory promises about backups, as series and as a scrape job for the hosts that keep them: pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inventory.asset import DRILL_GRACE, Asset, Protection, Service
from inventory.holding import holder
from inventory.network import Network
from monitoring.daemons import EXPORTER

# Each asking starts a program on the host, and nothing about backups changes within seconds.
INTERVAL, TIMEOUT = "60s", "50s"

Document = dict[str, Any]


def duties(network: Network) -> dict[tuple[str, str], str]:
    """Return the role, ``home`` or ``standby``, that each host has for each asset, by (host, asset)."""
    found: dict[tuple[str, str], str] = {}
    for asset in network.district.protected:
        for role, site in (("home", asset.home), ("standby", asset.standby)):
            found[holder(network, asset, site), asset.id] = role
    return found


def backup_job(network: Network) -> Document:
    """Return the scrape job that asks each host, through the exporter, how its backups are."""
    hosts = sorted({host for host, _ in duties(network)})
    return {
        "job_name": "backup",
        "metrics_path": "/backup",
        "scrape_interval": INTERVAL,
        "scrape_timeout": TIMEOUT,
        "static_configs": [{"targets": hosts}],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__address__"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": EXPORTER},
        ],
    }


def series(network: Network) -> Iterator[Document]:
    """Yield recording rules: who has which duty, and each asset's promises in seconds."""
    for (host, asset), role in duties(network).items():
        labels = {"instance": host, "asset": asset, "role": role}
        yield {"record": "netdr_backup_duty", "expr": "vector(1)", "labels": labels}
    policies = {policy.id: policy for policy in network.district.protections}
    for one in network.district.protected:
        for promise, seconds in _promises(one, policies[one.protection]).items():
            labels = {"asset": one.id, "promise": promise}
            yield {"record": "netdr_backup_promise_seconds", "expr": f"vector({seconds})", "labels": labels}


def _promises(asset: Asset, policy: Protection) -> dict[str, int]:
    every = [copy.every for copy in policy.copies if copy.every is not None]
    carried = {"offline": min(every)} if every else {}
    # A proof begins within its interval and takes its time: half an interval of grace, at most a day.
    proof = policy.proof.every + min(policy.proof.every // 2, 86400)
    drill = {"drill": policy.drill.every + DRILL_GRACE} if policy.drill and isinstance(asset, Service) else {}
    return {"rpo": policy.rpo, "rto": policy.rto, "proof": proof, "read": policy.proof.read_within, **carried, **drill}
