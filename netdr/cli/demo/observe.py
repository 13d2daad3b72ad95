"""Scenes 4 and 5: the zone policy against real packets, a cut link that becomes an alert and goes again."""

from __future__ import annotations

import json
import time

from netdr.cli.demo.figures import Figures
from netdr.cli.demo.stage import NETDR, Stage


def matrix(stage: Stage, figures: Figures) -> None:
    """Try every flow of the policy's matrix from every unit's own host."""
    with stage.step("compare the zone policy with real packets from every unit", "从每个单位发真实报文核对分区策略"):
        argv = [NETDR, "-i", str(stage.context.inventory), "verify", "matrix", "--lab", stage.name, "--json"]
        found = json.loads(stage.run(argv, 120, (0, 8)).stdout)
        figures.matrix_cells = found["cells"]
        figures.matrix_mismatches = len(found["mismatches"])


def alert(stage: Stage, figures: Figures) -> None:
    """Cut a link between two sites, wait for its alert in Alertmanager, mend it, wait for the alert to go."""
    node, link = stage.controller, _backbone_link(stage)
    with stage.step("every device is watched over SNMPv3", "通过 SNMPv3 监控全部设备"):
        stage.json(node, "monitor", "wait", "--targets-up", "--timeout", "60")
        status = stage.json(node, "monitor", "status", codes=(0, 14))
        figures.targets_total = status["targets_total"]
        figures.targets_up = status["targets_up"]
    with stage.step(f"cut {link}: an alert", f"切断 {link}：产生告警"):
        cut = time.time()
        stage.lab("break", link)
        wait = ("monitor", "wait", "--timeout", "60", "--since", str(cut), "--link", link)
        figures.alert_fired_s = round(stage.json(node, *wait, "--firing", "LinkDown")["seconds"], 1)
    with stage.step(f"mend {link}: the alert is resolved", f"恢复 {link}：告警解除"):
        mended = time.time()
        stage.lab("heal", link)
        wait = ("monitor", "wait", "--timeout", "60", "--since", str(mended), "--link", link)
        figures.alert_resolved_s = round(stage.json(node, *wait, "--resolved", "LinkDown")["seconds"], 1)


def _backbone_link(stage: Stage) -> str:
    """Return a link between two aggregation devices, else any link of the backbone."""
    backbone = [wire for wire in stage.network.wires if wire.kind == "backbone"]
    inner = [w for w in backbone if all(stage.network.node(end.node).role == "aggregation" for end in w.ends)]
    return (inner or backbone)[0].name
