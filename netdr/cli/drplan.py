"""``netdr dr plan``: the recovery plans there are, what is wrong with them, how long they will take."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict

import click

from backup.recovery import graph, lint, scenario, simulate
from backup.recovery.plan import Plan, Step
from backup.recovery.run import Journal
from backup.recovery.scenario import Scenario
from backup.recovery.simulate import Expected, Way
from inventory.entry import span
from netdr.cli.context import Context, print_json
from netdr.cli.drrun import journal_of, scenarios
from netdr.cli.table import aligned
from netdr.kernel.errors import Problems

_scenario = click.argument("name", metavar="SCENARIO")
_json = click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")


@click.group()
def plan() -> None:
    """Show, check and simulate the recovery plans; netdr dr run carries one out."""


@plan.command("list")
@_json
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """List the scenarios there are plans for."""
    found = scenarios(context)
    if as_json:
        print_json({name: _listed(context, one) for name, one in found.items()})
        return
    for line in aligned([[name, one.written.title.of(context.language)] for name, one in found.items()]):
        click.echo(line)


@plan.command()
@_scenario
@click.option("--dot", "as_dot", is_flag=True, help="Print the graph for Graphviz: netdr … --dot | dot -Tsvg.")
@_json
@click.pass_obj
def show(context: Context, name: str, as_dot: bool, as_json: bool) -> None:
    """Draw a plan as layers: each needs only steps of the layers above it."""
    made = _plan(context, scenario.named(scenarios(context), name))
    if as_dot:
        click.echo(graph.dot(made, context.language), nl=False)
    elif as_json:
        print_json({"scenario": name, "steps": [_as_dict(step) for step in made.steps]})
    else:
        for number, layer in enumerate(graph.layers(made), 1):
            rows = [["", step.id, step.phase, step.title.of(context.language), _ways(context, step)] for step in layer]
            click.secho(context.text(f"layer {number}", f"第 {number} 层"), bold=True)
            click.echo("\n".join(aligned(rows)))


@plan.command("lint")
@click.argument("names", nargs=-1, metavar="[SCENARIO]…")
@_json
@click.pass_obj
def lint_(context: Context, names: tuple[str, ...], as_json: bool) -> None:
    """Find what is wrong with plans before they are needed. Exit 3 if anything is; warnings are only told."""
    known = scenarios(context)
    wanted = [scenario.named(known, name) for name in names] or list(known.values())
    found = [lint.lint(one, context.network.district) for one in wanted]
    mistakes = [one for each in found for one in each.mistakes]
    warnings = [one for each in found for one in each.warnings]
    if as_json and not mistakes:
        print_json({"plans": [one.id for one in wanted], "warnings": [one.as_dict() for one in warnings]})
    for warning in warnings:
        click.echo(context.text(f"warning: {warning.report()}", f"警告：{warning.report()}"), err=True)
    if mistakes:
        raise Problems(mistakes)
    if not as_json:
        count = len(warnings)
        click.echo(
            context.text(
                f"{len(wanted)} plans, no problems, {count} warnings", f"{len(wanted)} 个方案，无错误，{count} 个警告"
            )
        )


@plan.command("simulate")
@_scenario
@_json
@click.pass_obj
def simulate_(context: Context, name: str, as_json: bool) -> None:
    """Show the longest way of a plan and the RTO to expect of each service, from past runs on this controller.

    Steps that have never run count with their limits, and are named. With --json: steps (median, worst, runs by id),
    services (steps, median, worst, people, guessed, promised; seconds).
    """
    made = _plan(context, scenario.named(scenarios(context), name))
    with closing(Journal(journal_of(context))) as journal:
        known = simulate.expected(made, journal.steps())
    found = simulate.ways(made, known)
    promised = _promised(context)
    if as_json:
        services = {service: {**asdict(way), "promised": promised[service]} for service, way in found.items()}
        print_json(
            {"scenario": name, "steps": {step: asdict(one) for step, one in known.items()}, "services": services}
        )
        return
    for service, way in found.items():
        _show_way(context, service, way, promised[service])
        for line in _way_lines(way, known):
            click.echo(f"  {line}")


def _listed(context: Context, one: Scenario) -> dict[str, str]:
    written = one.written
    title = written.title.of(context.language)
    return {"title": title, "about": written.about, "moves": written.moves, "file": str(one.document.path)}


def _show_way(context: Context, service: str, way: Way, promised: int) -> None:
    shown = span(promised)
    click.secho(
        context.text(
            f"{service}: RTO {way.median} s, worst {way.worst} s, of which people {way.people} s (promised {shown})",
            f"{service}：RTO {way.median} 秒，最差 {way.worst} 秒，其中等待人员 {way.people} 秒（承诺 {shown}）",
        ),
        bold=True,
    )
    if way.guessed:
        listed = ", ".join(way.guessed)
        click.echo(context.text(f"  never run, so their limits count: {listed}", f"  从未执行，按时限计：{listed}"))


def _way_lines(way: Way, known: Mapping[str, Expected]) -> list[str]:
    return aligned([[step, f"{known[step].median:.2f} s", f"{known[step].worst:.2f} s"] for step in way.steps])


def _promised(context: Context) -> dict[str, int]:
    district = context.network.district
    policies = {policy.id: policy.rto for policy in district.protections}
    return {service.id: policies[service.protection] for service in district.services}


def _plan(context: Context, found: Scenario) -> Plan:
    return found.plan([service.id for service in context.network.district.services])


def _as_dict(step: Step) -> dict[str, object]:
    instruction = step.instruction.model_dump() if step.instruction else None
    return {**asdict(step), "title": step.title.model_dump(), "instruction": instruction}


def _ways(context: Context, step: Step) -> str:
    """Return what is special about a step: who decides, who does it, its way back."""
    words = [f"≤ {span(round(step.limit))}"]
    if step.decides:
        words.append(context.text(f"decides: {step.decides}", "决定：" + {"person": "人员"}.get(step.decides, "策略")))
    if step.instruction:
        words.append(context.text("by a person", "由人员执行"))
    if step.undo:
        words.append(context.text(f"undo: {step.undo}", f"撤销：{step.undo}"))
    return ", ".join(words)
