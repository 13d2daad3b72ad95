"""``netdr lab``: the district in a box."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import NoReturn, TypeVar

import click

from lab import control
from lab.control import Step
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import LabError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# What is said of each step of bringing a lab up: English, Chinese.
STEPS: dict[Step, tuple[str, str]] = {
    "clean": ("looking for leftovers", "检查残留"),
    "disks": ("making disks", "准备磁盘"),
    "network": ("making namespaces and cables", "建立命名空间与链路"),
    "boot": ("booting nodes", "启动节点"),
    "services": ("starting services", "启动业务"),
    "converge": ("waiting until every node is reachable in band", "等待全网带内可达"),
}
Command = TypeVar("Command", bound=Callable[..., object])


def _named(command: Command) -> Command:
    option = click.option("--name", help="The lab. Default: the district's id.")
    return option(command)


@click.group()
def lab() -> None:
    """Bring the district up as real nodes on this machine, break and heal it, take it down."""


@lab.command()
@_named
@click.pass_obj
def up(context: Context, name: str | None) -> None:
    """Bring the whole district up from day-0 configurations and wait until every node is reachable."""
    from lab import machine  # noqa: PLC0415 - what only this verb needs would slow down `exec`
    from netdr.cli import labplan  # noqa: PLC0415 - the same

    called = _name(context, name)
    machine.check()
    with context.step(f"planning the lab {called}", f"规划实验环境 {called}"):
        plan = labplan.plan(context, called)
    account = context.network.district.settings.management.account
    try:
        control.up(plan, account, lambda step: context.step(*STEPS[step]))
    except KeyboardInterrupt:
        click.echo(
            context.text(f"interrupted: the lab {called} is removed", f"已中断：实验环境 {called} 已清除"), err=True
        )
        raise
    nodes, memory = len(plan.topology.nodes), control.memory_mb(called)
    click.echo(
        context.text(
            f"lab {called} is up: {nodes} nodes, {memory} MB. Next: netdr lab shell NODE",
            f"实验环境 {called} 已就绪：{nodes} 个节点，{memory} MB。下一步：netdr lab shell 节点",
        )
    )


@lab.command()
@_named
@click.pass_obj
def down(context: Context, name: str | None) -> None:
    """Take the lab down, whole or what is left of it. Nothing stays behind."""
    called = _name(context, name)
    with context.step(f"removing the lab {called}", f"清除实验环境 {called}"):
        left = control.down(called)
    if left:
        raise LabError(f"something is left of the lab {called}", why=str(left), hint="run it again; see dmesg(1)")


@lab.command()
@_named
@click.option("--json", "as_json", is_flag=True, help="Print the state for programs.")
@click.pass_obj
def status(context: Context, name: str | None, as_json: bool) -> None:
    """Show the lab's nodes, which have no power, and which cables are cut."""
    found = control.status(_name(context, name))
    if as_json:
        print_json(asdict(found))
        return
    for node in found.nodes:
        power = context.text("on", "运行") if node.power else context.text("OFF", "断电")
        click.echo(f"{node.id:<28} {node.kind:<7} {node.site:<20} {node.address:<16} {power}")
    cut = ", ".join(found.cut) or "-"
    click.echo(
        context.text(
            f"{found.lab}: {found.stage}, {len(found.nodes)} nodes, {found.memory_mb} MB, cut cables: {cut}",
            f"{found.lab}：{found.stage}，{len(found.nodes)} 个节点，{found.memory_mb} MB，断开的链路：{cut}",
        )
    )


@lab.command()
@_named
@click.argument("node")
@click.pass_obj
def shell(context: Context, name: str | None, node: str) -> NoReturn:
    """Open a root shell in a node."""
    _become([*control.enter(_name(context, name), node), "bash"])


@lab.command(name="exec", context_settings={"ignore_unknown_options": True})
@_named
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(context: Context, name: str | None, node: str, command: tuple[str, ...]) -> NoReturn:
    """Run a command as root in a node: netdr lab exec NODE -- COMMAND. Its exit status is ours."""
    _become([*control.enter(_name(context, name), node), *command])


@lab.command(name="break")
@_named
@click.argument("target")
@click.pass_obj
def break_(context: Context, name: str | None, target: str) -> None:
    """Cut a cable (core-1--agg-gac), or take the power of a node or of a whole site."""
    names = control.break_(_name(context, name), target)
    click.echo(context.text("broken: ", "已断开：") + ", ".join(names))


@lab.command()
@_named
@click.argument("target")
@click.pass_obj
def heal(context: Context, name: str | None, target: str) -> None:
    """Join a cut cable, or boot a node or site that has no power."""
    names = control.heal(_name(context, name), target)
    nothing = context.text("nothing was broken", "没有需要恢复的")
    click.echo(context.text("healed: ", "已恢复：") + ", ".join(names) if names else nothing)


def _name(context: Context, name: str | None) -> str:
    if name is None:
        return context.network.district.settings.id
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot be a lab's name", why="lower-case letters, digits and single dashes only")
    return name


def _become(argv: list[str]) -> NoReturn:
    """Run a program in our place, with our terminal and our exit status."""
    os.execvp(argv[0], argv)  # noqa: S606 - without a shell on purpose
