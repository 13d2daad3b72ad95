"""Prometheus' and Alertmanager's configuration from the inventory: pure, text out.

One scrape job for all devices: which modules a device is asked for is a parameter of its target, so a device's series
keep their labels when its modules change. ``target`` is the device's address, as any snmp_exporter wants it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from inventory.model import Monitoring
from inventory.network import Network
from monitoring import protection
from monitoring.daemons import ALERTMANAGER, EXPORTER, PROMETHEUS
from monitoring.targets import Target, targets

# How often Prometheus asks itself. The exporter is asked as often as devices, so that its failure is seen with theirs.
SELF_INTERVAL = "15s"

Document = dict[str, Any]


def files(network: Network) -> Mapping[str, str]:
    """Return the three configuration files by name. They refer to each other by name: keep them in one folder."""
    documents = {
        "prometheus.yml": prometheus_config(network),
        "rules.yml": rules(network),
        "alertmanager.yml": alertmanager_config(network),
    }
    return {name: _dump(document) for name, document in documents.items()}


def prometheus_config(network: Network) -> Document:
    """Return what Prometheus scrapes, how often, and where its alerts go."""
    settings = network.district.settings
    return {
        "global": {
            "scrape_interval": _seconds(settings.monitoring.scrape),
            "scrape_timeout": _seconds(settings.monitoring.scrape),
            "evaluation_interval": _seconds(settings.monitoring.evaluate),
            "external_labels": {"district": settings.id},
        },
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER]}]}]},
        "scrape_configs": [
            _devices_job(network),
            _job("exporter", EXPORTER),
            protection.backup_job(network),
            _prometheus_job(),
        ],
    }


def _devices_job(network: Network) -> Document:
    return {
        "job_name": "snmp",
        "metrics_path": "/snmp",
        "params": {"auth": [network.district.settings.management.snmp.name]},
        "static_configs": [_static(target) for target in targets(network)],
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"source_labels": ["__address__"], "target_label": "address"},
            {"source_labels": ["device"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": EXPORTER},
        ],
    }


def _static(target: Target) -> Document:
    labels = {name: text for name, text in target.labels.items() if text}
    return {"targets": [target.address], "labels": {**labels, "__param_module": ",".join(target.modules)}}


def _job(name: str, address: str) -> Document:
    return {"job_name": name, "static_configs": [{"targets": [address]}]}


def _prometheus_job() -> Document:
    # Of its own 800 series, those that tell whether rules and notifications work, and what it costs.
    wanted = "prometheus_(rule|notifications|config)_.*|process_.*"
    keep = {"source_labels": ["__name__"], "regex": wanted, "action": "keep"}
    seldom = {"scrape_interval": SELF_INTERVAL, "scrape_timeout": SELF_INTERVAL}
    return {**_job("prometheus", PROMETHEUS), **seldom, "metric_relabel_configs": [keep]}


def rules(network: Network) -> Document:
    """Return links and promises of the inventory as series, and the alerts of ``alerts/`` with its durations."""
    monitoring = network.district.settings.monitoring
    groups = [{**group, "rules": [_timed(rule, monitoring) for rule in group["rules"]]} for group in _alerts()]
    known = [*_link_ports(network), *protection.series(network)]
    return {"groups": [{"name": "inventory", "rules": known}, *groups]}


def _link_ports(network: Network) -> Iterator[Document]:
    for wire in network.wires:
        for end in wire.ends:
            if network.nodes[end.node].kind != "device":
                continue
            labels = {
                "link": wire.name,
                "kind": wire.kind,
                "end_a": wire.ends[0].node,
                "end_b": wire.ends[1].node,
                "device": end.node,
                "ifName": end.port,
                "neighbor": str(wire.far(end.node).address.ip),
            }
            yield {"record": "netdr_link_port", "expr": "vector(1)", "labels": labels}


def _timed(rule: Document, monitoring: Monitoring) -> Document:
    expression = rule["expr"].replace("[recent]", f"[{_seconds(3 * monitoring.scrape)}]")
    duration = getattr(monitoring, str(rule.get("for")), None)
    wait = {} if duration is None else {"for": _seconds(duration)}
    return {**rule, "expr": expression, **wait}


@cache
def _alerts() -> list[Document]:
    files = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
    return [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]


def alertmanager_config(network: Network) -> Document:
    """Return who is told of what, and which alerts are only consequences of others."""
    monitoring = network.district.settings.monitoring
    webhook = {"webhook_configs": [{"url": monitoring.webhook, "send_resolved": True}]} if monitoring.webhook else {}
    return {
        "route": {
            "receiver": "noc",
            "group_by": ["alertname", "site"],
            "group_wait": _seconds(monitoring.group_wait),
            "group_interval": "1m",
            "repeat_interval": "4h",
        },
        "inhibit_rules": [
            _inhibit("ExporterDown", "DeviceUnreachable|NoTargets", []),
            _inhibit("DeviceUnreachable", "LinkDown|OspfNeighborsLost|BgpSessionDown", ["end_a"]),
            _inhibit("DeviceUnreachable", "LinkDown|OspfNeighborsLost|BgpSessionDown", ["end_b"]),
            _inhibit("LinkDown", "OspfNeighborsLost|BgpSessionDown", ["link"]),
            _inhibit("BackupHostSilent", "Backup(TooOld|Missing)|CopyTooOld|ProofTooOld|StreamBehind", ["instance"]),
        ],
        "receivers": [{"name": "noc", **webhook}],
    }


def _inhibit(cause: str, consequences: str, equal: list[str]) -> Document:
    return {
        "source_matchers": [f'alertname="{cause}"'],
        "target_matchers": [f'alertname=~"{consequences}"'],
        "equal": equal,
    }


def _seconds(value: int) -> str:
    return f"{value}s"


class _Dumper(yaml.SafeDumper):
    """Writes expressions of several lines as blocks, and never an alias."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def _dump(document: Document) -> str:
    head = "# Made by 'netdr monitor generate' from the inventory: changes belong there.\n"
    return head + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
