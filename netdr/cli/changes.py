"""Changes as an operator reads them: identical ones once, then what differs; how a deploy ended."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

import click

from inventory.network import Network
from netdr.cli.context import Context
from nornir_tasks.blast import Blast
from nornir_tasks.diff import size
from nornir_tasks.engine import Status
from nornir_tasks.grouping import Group, compared, groups, parameters
from nornir_tasks.plan import Plan
from nornir_tasks.report import Report

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def grouped(network: Network, diffs: Mapping[str, str]) -> tuple[Group, ...]:
    """Return the groups of identical changes of some devices' diffs."""
    return groups(diffs, {device: parameters(network, device) for device, diff in diffs.items() if diff})


def show_groups(context: Context, found: tuple[Group, ...]) -> None:
    """Print every group: its devices, what differs between them, and the change itself, once."""
    for number, group in enumerate(found):
        like = compared(group, found[:number])
        click.echo(_heading(context, group, like[0] if like else None))
        for line in (like[1] if like else group.pattern).split("\n")[:-1]:
            click.echo("  " + click.style(line, fg=_COLOURS.get(line[:1])))
        click.echo()


def _heading(context: Context, group: Group, like: Group | None) -> str:
    count, names = len(group.devices), ", ".join(f"⟨{name}⟩" for name in group.parameters)
    text = context.text(f"{count} device{'s' * (count > 1)}", f"{count} 台设备")
    if names:
        text += context.text(f", identical up to {names}", f"，除 {names} 外完全相同")
    if like:
        text += context.text(f"; like {like.devices[0]}, except", f"；与 {like.devices[0]} 相同，只有下列差别")
    listed = textwrap.fill(
        " ".join(group.devices), 110, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    return f"{click.style(text + ':', bold=True)}\n{listed}"


def groups_json(found: Iterable[Group]) -> list[dict[str, object]]:
    """Return the ``--json`` form of groups."""
    return [
        {"devices": list(g.devices), "parameters": list(g.parameters), "values": g.values, "diff": g.pattern}
        for g in found
    ]


def show_plan(context: Context, network: Network, plan: Plan) -> None:
    """Print what a plan would change, in which order, and how it is undone."""
    changed = plan.changed
    if not changed:
        click.echo(_nothing(context, len(plan.devices)))
        return
    show_groups(context, grouped(network, {device: plan.devices[device].diff for device in changed}))
    _show_waves(context, network, plan)
    seconds = plan.timers.revert
    click.echo(
        context.text(
            f"undone by the devices themselves after {seconds} s unless confirmed",
            f"如未确认，设备将在 {seconds} 秒后自行回退",
        )
    )
    if plan.inventory:
        made = _short(plan.inventory)
        click.echo(
            context.text(f"made from inventory {made} by {plan.author}", f"清单版本：{made}；编制人：{plan.author}")
        )
    for check in plan.checks:
        click.echo(context.text(f"check afterwards: {check}", f"变更后检查：{check}"))
    click.echo(summary(context, plan))


def _show_waves(context: Context, network: Network, plan: Plan) -> None:
    """Print the order, with how many units lose a service if a whole wave goes wrong."""
    click.echo(context.text("order, far to near, the least critical first:", "顺序（由远及近，先易后难）："))
    blast = Blast(network, plan.placement)
    for number, wave in enumerate(plan.waves, 1):
        units = len(blast.stake(wave).units)
        stake = context.text(f"({units} unit{'s' * (units != 1)} at stake)", f"（影响 {units} 个单位）")
        listed = textwrap.fill(
            f"{' '.join(wave)} {stake}",
            110,
            initial_indent=f"  {number}. ",
            subsequent_indent="     ",
            break_on_hyphens=False,
        )
        click.echo(listed)
    for note in plan.notes:
        click.echo(context.text(f"note: {note}", f"注意：{note}"))


def _short(revision: str) -> str:
    """Return a revision of the inventory as people compare it: the first twelve digits of each of its hashes."""
    return re.sub(r"([0-9a-f]{12})[0-9a-f]+", r"\1", revision)


def show_moved(context: Context, plan: Plan, inventory: str) -> None:
    """Say so if the inventory has moved on since a plan was made: what the devices should say decides, not this."""
    if plan.inventory and inventory != plan.inventory:
        then, now = _short(plan.inventory), _short(inventory)
        click.echo(
            context.text(
                f"the inventory has changed since the plan was made ({then}, now {now}), but not for these devices",
                f"清单在计划编制后有改动（{then}，现为 {now}），但不涉及这些设备",
            ),
            err=True,
        )


def summary(context: Context, plan: Plan) -> str:
    """Return one line: how many devices a plan covers and changes, by how many lines."""
    sizes = [size(plan.devices[device].diff) for device in plan.changed]
    added, removed = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
    total, changed = len(plan.devices), len(plan.changed)
    return context.text(
        f"{total} devices: {changed} to change (+{added} -{removed} lines), {total - changed} as they should be",
        f"共 {total} 台设备：{changed} 台需变更（+{added} -{removed} 行），{total - changed} 台已符合",
    )


def show_report(context: Context, report: Report) -> None:
    """Print how a deploy ended: failures and the state of the devices on standard error, the summary last."""
    for failure in report.failures:
        click.echo(f"netdr: {failure.report()}", err=True)
    for device in report.of("unknown"):
        click.echo(f"netdr: {device}: {report.devices[device].note}", err=True)
    for note in report.notes:
        click.echo(f"netdr: {note}", err=True)
    click.echo(_ending(context, report))
    if report.stages:
        times = "  ".join(f"{stage} {seconds:.1f}" for stage, seconds in report.stages.items())
        click.echo(context.text(f"{report.seconds:.1f} s: {times}", f"用时 {report.seconds:.1f} 秒：{times}"))


def show_status(context: Context, status: Status | None) -> None:
    """Print the change that was begun and never ended, where its devices stand, and what can be done about it."""
    if status is None:
        click.echo(context.text("every change that was begun has ended", "所有已开始的变更均已结束"))
        return
    first, number = status.open.first, status.open.newest
    click.echo(
        context.text(
            f"change {number}, plan {status.plan.id}: begun by {first.owner} at {first.opened} {first.ticket}".rstrip()
            + f", never ended; last step: {status.open.step}",
            f"变更 {number}（计划 {status.plan.id}）：{first.owner} 于 {first.opened} 开始 {first.ticket}".rstrip()
            + f"，未结束；最后步骤：{status.open.step}",
        )
    )
    words = {
        "old": context.text("as before the change", "变更前配置"),
        "armed": context.text("changed, goes back by itself unless confirmed", "已变更，未确认将自行回退"),
        "new": context.text("changed for good", "已变更并确认"),
        "other": context.text("neither as before nor as planned", "既非变更前也非计划配置"),
        "silent": context.text("does not answer", "无应答"),
    }
    for where, text in words.items():
        names = [device for device, standing in status.devices.items() if standing.where == where]
        if names:
            click.echo(f"  {len(names):3} {text}: {' '.join(names)}")
    click.echo(
        context.text(
            "to finish it: netdr deploy --resume; to take it back: netdr deploy --abort",
            "继续完成：netdr deploy --resume；全部撤销：netdr deploy --abort",
        )
    )


def _ending(context: Context, report: Report) -> str:
    total, changed, back = len(report.devices), len(report.of("changed")), len(report.of("restored"))
    if report.result == "nothing":
        return _nothing(context, total)
    if report.result == "done":
        return context.text(
            f"{total} devices: {changed} changed and read back, {total - changed} as they were",
            f"共 {total} 台设备：{changed} 台已变更并回读一致，{total - changed} 台未变",
        )
    if report.result == "refused":
        return context.text("given up before anything was changed", "已放弃：没有任何设备被改动")
    if report.result == "restored":
        return context.text(
            f"given up: every changed device ({back}) has its previous configuration again",
            f"已放弃：{back} 台已变更设备全部恢复为原配置",
        )
    if report.result == "overtaken":
        return context.text("left to the controller that has taken it over", "已由另一控制机接管，本机不再操作")
    names = ", ".join(report.of("unknown"))
    return context.text(
        f"given up: {back} devices have their previous configuration again, NOT KNOWN: {names}",
        f"已放弃：{back} 台恢复为原配置；状态未知：{names}",
    )


def _nothing(context: Context, devices: int) -> str:
    return context.text(
        f"nothing to do: all {devices} devices are as they should be", f"无需变更：{devices} 台设备均已符合"
    )


def exit_code(report: Report) -> int:
    """Return the exit code of a deploy: 0, or the one of its first failure."""
    return next(_codes(report), 0)


def _codes(report: Report) -> Iterator[int]:
    return (failure.exit_code for failure in report.failures)
