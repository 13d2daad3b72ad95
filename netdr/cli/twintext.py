"""What a plan did on the twin, as an operator reads it: a few lines, then only what is not as it should be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import click

from lab.loss import Loss
from lab.sweep import SinglePoint, Swept
from netdr.cli.context import Context
from netdr.cli.table import aligned
from netdr.cli.twin import Trial

# Mismatches and findings beyond this many are counted, not listed; --json has all.
_SHOWN = 20
_NAMED = 4


def show(context: Context, trial: Trial) -> None:
    """Print how the trial went, the verdict last."""
    for line in _lines(context, trial):
        click.echo(line)


def _lines(context: Context, trial: Trial) -> Iterator[str]:
    text = context.text
    yield ""
    yield text(
        f"on the twin {trial.lab}, {_base(context, trial)}:", f"仿真副本 {trial.lab}（{_base(context, trial)}）："
    )
    yield from _change(context, trial)
    yield from _loss(context, trial.loss)
    if trial.observations is not None:
        yield from _policy(context, trial)
    if trial.swept is not None:
        yield from _sweep(context, trial.swept)
    verdict = text("ok", "通过") if trial.ok else text("NOT ok", "不通过")
    yield click.style(
        text(f"verdict: {verdict} ({trial.seconds:.0f} s)", f"结论：{verdict}（{trial.seconds:.0f} 秒）"),
        fg="green" if trial.ok else "red",
    )


def _base(context: Context, trial: Trial) -> str:
    if trial.base == "observed":
        return context.text("from what the devices run now", "取自设备现行配置")
    return context.text(
        "from the older inventory, compared with what the plan saw on its devices", "由变更前清单生成，已与计划所见核对"
    )


def _change(context: Context, trial: Trial) -> Iterator[str]:
    result, changed = trial.deploy["result"], len(trial.deploy.get("changed", ()))
    yield context.text(f"  change: {result}, {changed} devices changed", f"  变更：{result}，{changed} 台设备已变更")
    if not trial.done:
        for problem in trial.deploy.get("problems", ()):
            yield "    " + ": ".join(problem[key] for key in ("where", "what", "why") if problem.get(key))


def _loss(context: Context, loss: Mapping[str, Loss]) -> Iterator[str]:
    sent, worse = sum(item.sent for item in loss.values()), {unit: item for unit, item in loss.items() if item.lost}
    lost = sum(item.lost for item in worse.values())
    yield context.text(
        f"  during the change: {lost} of {sent} packets lost, in {len(worse)} of {len(loss)} units",
        f"  变更期间：{sent} 个报文丢失 {lost} 个，涉及 {len(loss)} 个单位中的 {len(worse)} 个",
    )
    if worse:
        head = [context.text(*words) for words in (("unit", "单位"), ("lost", "丢包"), ("longest gap", "最长中断"))]
        rows = [
            [unit, f"{item.lost}/{item.sent}", f"{1000 * item.longest_gap_s:.0f} ms"] for unit, item in worse.items()
        ]
        yield from (f"    {line}" for line in aligned([head, *rows]))


def _policy(context: Context, trial: Trial) -> Iterator[str]:
    cells, wrong = len(trial.observations or ()), trial.mismatches
    yield context.text(
        f"  policy: {cells} flows tried, {len(wrong)} not as it says", f"  策略：核对 {cells} 条流，{len(wrong)} 条不符"
    )
    lines = [
        f"{seen.cell.source} > {seen.cell.destination} {seen.cell.port}: "
        + (
            context.text("gets through", "不应通而通")
            if seen.passed
            else context.text("does not get through", "应通而不通")
        )
        for seen in wrong
    ]
    yield from _some(context, lines)


def _sweep(context: Context, swept: Swept) -> Iterator[str]:
    links, devices = swept.counts["links"], swept.counts["devices"]
    count = len(swept.findings)
    yield context.text(
        f"  single failures: {links} links and {devices} devices in turn, {count} findings",
        f"  单点故障推演：逐一断开 {links} 条链路、{devices} 台设备，发现 {count} 项问题",
    )
    lines = [
        context.text(
            f"{item.use.source} loses {item.use.target} when {item.failure.name} fails although a path exists",
            f"{item.failure.name} 故障时 {item.use.source} 无法访问 {item.use.target}，而拓扑上仍有通路",
        )
        for item in swept.findings
    ]
    yield from _some(context, lines)
    if swept.single_points:
        yield context.text("  single points of failure (there is no other way):", "  拓扑上的单点（无其他通路）：")
    own = [point for point in swept.single_points if _is_own(context, point)]
    if own:
        yield context.text(
            f"    {len(own)} access switches: each its own unit", f"    {len(own)} 台接入交换机：各自单位"
        )
    yield from (
        f"    {point.failure.name}: {_lost(context, point)}" for point in swept.single_points if point not in own
    )


def _is_own(context: Context, point: SinglePoint) -> bool:
    """Return whether an access switch costs its own unit, and nobody else, anything."""
    node = context.network.nodes.get(point.failure.name)
    return node is not None and bool(node.unit) and point.units.keys() == {node.unit} and not point.devices


def _lost(context: Context, point: SinglePoint) -> str:
    units = defaultdict[tuple[str, ...], list[str]](list)
    for unit, services in point.units.items():
        units[services].append(unit)
    parts = [f"{_few(context, names, 'units', '个单位')} ({', '.join(services)})" for services, names in units.items()]
    if point.devices:
        parts.append(context.text("no management of ", "无法管理 ") + _few(context, point.devices, "devices", "台设备"))
    return "; ".join(parts)


def _few(context: Context, names: Sequence[str], noun: str, classifier: str) -> str:
    """Return names, or only how many there are if they are too many to read."""
    return (
        ", ".join(names) if len(names) <= _NAMED else context.text(f"{len(names)} {noun}", f"{len(names)} {classifier}")
    )


def _some(context: Context, lines: list[str]) -> Iterator[str]:
    yield from (f"    {line}" for line in lines[:_SHOWN])
    if (more := len(lines) - _SHOWN) > 0:
        yield context.text(f"    and {more} more: --json has all", f"    另有 {more} 项，--json 可见全部")
