"""``netdr demo``: the whole main job, end to end, as its users would do it, on the lab."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path
from types import FrameType

import click

from lab import control
from netdr.cli.context import Context
from netdr.cli.demo import build, observe, offline, protect, recover
from netdr.cli.demo.copies import own_district
from netdr.cli.demo.figures import Figures
from netdr.cli.demo.stage import Stage


@click.command()
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Write the figures as JSON to this file.",
)
@click.option("--name", help="The lab's name. Default: demo.", default="demo", show_default=True)
@click.option("--keep", is_flag=True, help="Leave the lab up afterwards, to look around.")
@click.pass_obj
def demo(context: Context, report: Path | None, name: str, keep: bool) -> None:
    """Bring up the district and do the main job on it: about five minutes. Without root: the part that needs no lab."""
    if os.geteuid() != 0:
        offline.show(context)
        return
    signal.signal(signal.SIGTERM, _as_interrupt)
    begun = time.monotonic()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="netdr-demo-") as folder:
        stage = Stage(own_district(context, Path(folder)), name, Path(folder))
        try:
            _scenes(stage, figures)
        except (KeyboardInterrupt, click.Abort):
            click.echo(context.text("\ninterrupted: taking the lab down", "\n已中断：正在清理实验环境"), err=True)
            raise
        finally:
            stage.close()
            if not keep:
                with stage.step("take everything down", "清理全部环境"):
                    figures.leftovers = len(control.down(name))
            figures.total_s = round(time.monotonic() - begun, 1)
            if report:
                report.write_text(json.dumps(figures.as_dict(), indent=2) + "\n", encoding="utf-8")
    click.echo(figures.summary(context.language))
    click.echo(_where_next(context, name, keep=keep))


def _scenes(stage: Stage, figures: Figures) -> None:
    build.inventory(stage)
    build.lab(stage, figures)
    build.deploy(stage, figures)
    observe.matrix(stage, figures)
    # Before the district is edited: the playbook reads it too.
    protect.servers(stage)
    build.one_unit(stage, figures)
    build.failed_changes(stage, figures)
    with stage.users():
        observe.alert(stage, figures)
        protect.backups(stage, figures)
        protect.tampering(stage, figures)
        recover.failover(stage, figures)
        recover.failback(stage, figures)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _where_next(context: Context, name: str, *, keep: bool) -> str:
    if keep:
        return context.text(
            f"The lab is still up: ./run lab status --name {name}; ./run lab down --name {name} ends it.",
            f"实验环境仍在运行：./run lab status --name {name} 查看，./run lab down --name {name} 结束。",
        )
    controller = context.network.hosts("controller")[0].id
    return context.text(
        f"Next: README.md, 'A day's work' – ./run lab up, then ./run lab exec {controller} -- netdr plan.",
        f"下一步：README.zh-CN.md 的“日常工作” – ./run lab up，然后 ./run lab exec {controller} -- netdr plan。",
    )
