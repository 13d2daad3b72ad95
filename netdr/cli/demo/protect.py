"""Scene 6: backups that came back, and one whose copy was tampered with."""

from __future__ import annotations

import json
import sys
from typing import Any

from netdr.cli.demo.figures import Figures
from netdr.cli.demo.stage import Stage
from netdr.kernel.errors import LabError, ProofError


def servers(stage: Stage) -> None:
    """Wait for the playbook that has been setting the servers up since the lab is there."""
    with stage.step("the servers are set up (Ansible, begun above)", "服务器配置完成（Ansible，已在后台进行）"):
        stage.join(180)


def backups(stage: Stage, figures: Figures) -> None:
    """Save every service, copy it to the DR site, restore it there and prove it."""
    with stage.step("back up every service and copy it off site", "备份全部业务并复制到异地"):
        saved = stage.json(stage.controller, "backup", "run", limit=300)
        figures.snapshots_copied = sum(_ok(report) for report in saved["reports"])
    with stage.step("tier 1 streams to the DR site: base backup and log", "一级业务实时流向容灾站点：基础备份与日志"):
        stage.json(stage.controller, "backup", "stream", limit=120)
    with stage.step("restore at the DR site, hash, start, ask: the proof", "在容灾站点恢复、校验、启动、查询：验证"):
        proven = stage.json(stage.controller, "backup", "verify", limit=300)
        figures.proofs_passed = sum(_ok(report) for report in proven["reports"])


def tampering(stage: Stage, figures: Figures) -> None:
    """Flip one byte of the DR copy: the proof turns red and says where. Then flip it back."""
    service = next(item.id for item in stage.services if item.app == "pages")
    host = stage.network.hosts("services", stage.site("dr"))[0].id
    flip = ("env", f"--chdir={stage.checkout}", sys.executable, "-m", "backup.damage", service)
    with stage.step(
        f"flip one byte of the DR copy of {service}: the proof turns red", f"篡改 {service} 副本的一个字节：验证变红"
    ):
        flipped = json.loads(stage.at(host, *flip))
        red = stage.json(stage.controller, "backup", "verify", service, limit=120, codes=(ProofError.exit_code,))
        stage.at(host, *flip, flipped["pack"], str(flipped["offset"]))
        problems = [problem for report in red["reports"] for problem in report["problems"]]
        figures.tamper_detected = any(problem["kind"] == ProofError.kind for problem in problems)
        if not figures.tamper_detected:
            raise LabError("a flipped byte was not found", why=str(problems))
    for problem in problems[:1]:
        stage.say(f"    {problem['what']}: {problem['why']}".splitlines()[0])


def _ok(report: dict[str, Any]) -> bool:
    return bool(report["ok"])
