"""Scenes 1 to 4: the inventory, the lab, configuration from day 0, a small change, a change that fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from netdr.cli.demo.figures import Figures
from netdr.cli.demo.stage import Stage
from netdr.kernel.errors import LabError

Edit = Callable[[dict[str, Any]], None]


def inventory(stage: Stage) -> None:
    """Check the district's files."""
    with stage.step("check the inventory", "检查网络清单"):
        _ = stage.network


def lab(stage: Stage, figures: Figures) -> None:
    """Bring the district up from day-0 configurations, and begin to set the servers up with Ansible."""
    with stage.step("bring up the district, from day-0 configurations only", "启动整个区县（仅零配置）"):
        begun = time.monotonic()
        stage.lab("up", limit=180)
        figures.lab_up_s = round(time.monotonic() - begun, 1)
    stage.begin(stage.controller, *stage.playbook("site.yml"))


def deploy(stage: Stage, figures: Figures) -> None:
    """Configure every device in band, then find nothing left to do."""
    with stage.step("configure every device in band, all or none", "带内配置全部设备：全部成功或全部不变"):
        report = stage.json(stage.controller, "deploy", "--yes", "--ticket", "DEMO-1", limit=300)
        figures.devices_deployed = len(report["changed"])
    with stage.step("deploy again: nothing to do", "再次执行：无需变更"):
        again = stage.json(stage.controller, "deploy", "--yes", limit=120)
        figures.second_deploy_changes = len(again["changed"])
    status = stage.lab("status", "--json")
    figures.nodes, figures.lab_memory_mb = _lab_size(status)


def one_unit(stage: Stage, figures: Figures) -> None:
    """Add a network to one unit: one device changes."""
    with stage.step("add a VLAN to one unit", "为一个单位新增 VLAN"):
        _edit(stage, "units.yaml", add_network)
        stage.netdr("inventory", "allocate")
        report = stage.json(stage.controller, "deploy", "--yes", "--ticket", "DEMO-2")
        figures.one_unit_change_devices = len(report["changed"])


def add_network(units: dict[str, Any]) -> None:
    """Add a small network to the unit in the middle of the list, as an edit of ``units.yaml``."""
    unit = units["units"][len(units["units"]) // 2]
    vlan = {"id": 30, "name": "annex", "zone": unit["vlans"][0]["zone"], "prefixlen": 28}
    unit["vlans"] = [*unit["vlans"], vlan]


def failed_changes(stage: Stage, figures: Figures) -> None:
    """Make a change of most units that fails, twice: every device it touched is as it was before."""
    with stage.step("a change whose check fails: everything is brought back", "检查失败的变更：全部恢复原状"):
        _edit(stage, "policy.yaml", _mistake(stage))
        report = stage.json(stage.controller, "deploy", "--yes", "--check", "false", limit=300, codes=(8,))
        figures.rollback_restored_devices = len(_known(report)["rolled_back"])
    victim = report["rolled_back"][len(report["rolled_back"]) // 2]
    with stage.step(
        f"a change that {victim} cannot take: everything is brought back", f"{victim} 失败的变更：全部恢复原状"
    ):
        with _full_disk(stage, victim):
            report = stage.json(stage.controller, "deploy", "--yes", limit=300, codes=(6,))
        figures.failed_unit_restored_devices = len(_known(report)["rolled_back"])
        figures.failed_unit_abort_s = report["stages"]["abort"]
        _edit(stage, "policy.yaml", _take_back)
        after = stage.json(stage.controller, "plan")
        if after["changed"]:
            raise LabError("devices differ from the inventory after a rollback", why=", ".join(after["changed"]))


def _mistake(stage: Stage) -> Edit:
    """Return the edit that permits something to users of one class: it changes the filters of their switches."""
    kind = stage.network.district.units[-1].user_class

    def allow(policy: dict[str, Any]) -> None:
        zone = next(zone["id"] for zone in policy["zones"] if zone["kind"] == "user")
        rule = {
            "id": "demo-mistake",
            "source": {"zone": zone, "classes": [kind]},
            "to": {"zone": zone, "ports": ["tcp/445"]},
        }
        policy["rules"] = [*policy["rules"], rule]

    return allow


def _take_back(policy: dict[str, Any]) -> None:
    policy["rules"] = [rule for rule in policy["rules"] if rule["id"] != "demo-mistake"]


def _known(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report that knows of every device how it ended. Raise LabError with those it does not know of."""
    if report["unknown"]:
        raise LabError("devices in an unknown state", why=", ".join(report["unknown"]))
    return report


@contextmanager
def _full_disk(stage: Stage, device: str) -> Iterator[None]:
    """Leave a device so little space, while it lasts, that it cannot write down what it would have to undo."""
    folder = "/var/lib/netdr/device"
    stage.at(device, "mount", "-t", "tmpfs", "-o", "size=12k", "none", folder)
    try:
        yield
    finally:
        stage.at(device, "umount", folder)


def _edit(stage: Stage, name: str, change: Edit) -> None:
    """Change one file of the demo's own copy of the district; the controllers see it as it is."""
    path = stage.context.inventory / name
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _lab_size(status: str) -> tuple[int, int]:
    value = json.loads(status)
    return len(value["nodes"]), round(value["memory_mb"])
