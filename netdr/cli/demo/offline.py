"""What the demo can show without root: the inventory, what every device should say, a plan against recorded configs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import yaml

from inventory import placement, record
from inventory import secrets as vault
from inventory.addressing import allocate
from inventory.load import district
from netdr.cli.changes import grouped, show_groups
from netdr.cli.context import Context
from netdr.cli.demo import build, copies
from nornir_tasks import redact, render
from nornir_tasks.diff import unified


def show(context: Context) -> None:
    """Check the inventory, render every device, add a network to one unit and show what that would change."""
    with tempfile.TemporaryDirectory(prefix="netdr-demo-") as folder:
        own = copies.own_district(context, Path(folder))
        with own.step("check the inventory", "检查网络清单"):
            before = own.network
        vault.create(own.state, vault.references(before.district))
        active = placement.home(before.district).active
        with own.step("render every device, record it as running", "生成全部设备配置，记录为现有配置"):
            recorded = render.render_all(before, active, own.secrets)
        with own.step("add a VLAN to one unit, plan against what was recorded", "为一个单位新增 VLAN，与记录比较"):
            path = own.inventory / "units.yaml"
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
            build.add_network(value)
            path.write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), encoding="utf-8")
            wanted = district(own.inventory)
            record.write(own.inventory, allocate(wanted, record.read(own.inventory).value))
            again = Context(own.inventory, own.state, own.language)
            intended = render.render_all(again.network, active, own.secrets)
        key = vault.fingerprint_key(own.state)
        diffs = {
            device: redact.redact(unified(recorded[device], text), own.secrets, key)
            for device, text in intended.items()
            if text != recorded[device]
        }
        show_groups(own, grouped(again.network, diffs))
    click.echo(
        context.text(
            f"{len(recorded)} devices rendered, {len(diffs)} would change. "
            "The lab, the deploy, monitoring, backups and the failover need root: sudo ./run demo",
            f"已生成 {len(recorded)} 台设备的配置，其中 {len(diffs)} 台将变更。"
            "实验环境、部署、监控、备份与切换需要 root：sudo ./run demo",
        )
    )
