"""``netdr dr drill``: the services started from the DR copies, shut off, while production goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import click

from backup import remote, report
from backup.drill import exercise, record
from backup.drill import run as drilling
from backup.drill.exercise import Exercise
from backup.machine import this_machine
from backup.recovery.plan import Step
from backup.recovery.report import Report, ServiceFigures, figures, write
from backup.recovery.run import Done
from backup.remote import Order
from backup.report import JobReport
from inventory import placement
from inventory.network import Network
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import UsageError

_services = click.argument("services", nargs=-1, metavar="[SERVICE]…")
_json = click.option("--json", "as_json", is_flag=True, help="Print the report for programs.")


@click.command()
@_services
@_json
@click.pass_obj
def drill(context: Context, services: tuple[str, ...], as_json: bool) -> int:
    """Start services from the DR copies in isolation and use them as units do. Production is not touched.

    Run it on a controller. The DR host restores all services at once into a bubble without a way out, starts each by
    its own program, and lets sample units use what the policy permits and try what it forbids. Nothing of it is kept.
    With --json: scenario, run, lost_at (when it began), services, steps, result (per service), problems.
    """
    network = context.network
    wanted = remote.chosen(network.district.services, services, "service")
    now = placement.load(context.state, network.district)
    tried = exercise.of_network(network).dump()
    hosts = remote.over_ssh(network, context.inventory, context.state, lambda words: click.echo(words, err=True))
    found = remote.hosts_of(network, now, "standby", wanted)
    reports = hosts.each({host: Order("drill", tuple(names), stdin=tried) for host, names in found.items()})
    told = [one for one in reports if "run" in one.facts]
    if told:
        _tell(context, [service.id for service in wanted], told, reports, as_json=as_json)
    problems = [problem for one in reports for problem in one.problems]
    for problem in problems:
        click.echo(f"netdr: {problem.report()}", err=True)
    return problems[0].exit_code if problems else 0


def _tell(
    context: Context, services: Sequence[str], told: Sequence[JobReport], reports: Sequence[JobReport], *, as_json: bool
) -> None:
    """Write the report of a drill and print it."""
    steps = tuple(chain.from_iterable(record.load(one.facts["steps"]) for one in told))
    began = min(float(str(one.facts["began"])) for one in told)
    found = _figures(context, services, began, steps)
    run = str(told[0].facts["run"])
    made = Report(drilling.SCENARIO, run, began, found, steps, _planned(context.network, services))
    path = write(made, context.network, context.state / "reports", context.language)
    click.echo(context.text(f"report: {path}", f"报告：{path}"), err=True)
    results = record.results(services, began, steps)
    if as_json:
        problems = [problem.as_dict() for one in reports for problem in one.problems]
        plain = {name: one.as_dict() for name, one in results.items()}
        print_json({**made.as_dict(), "result": plain, "problems": problems})
        return
    for name, one in results.items():
        click.echo(_line(context, name, one, found.get(name)))


def _planned(network: Network, services: Sequence[str]) -> tuple[Step, ...]:
    """Return every step that was to be done, so that the report can tell what was not begun."""
    policies = {policy.id: policy for policy in network.district.protections}
    promised = {one.id: float(policies[one.protection].rto) for one in network.district.services if one.id in services}
    return drilling.plan(promised).steps


def _figures(
    context: Context, services: Sequence[str], began: float, steps: Sequence[Done]
) -> dict[str, ServiceFigures]:
    """Return the figures of the services that passed: an answer that was wrong is no answer."""
    passed = [name for name, one in record.results(services, began, steps).items() if one.passed]
    return figures(context.network, passed, began, steps)


def _line(context: Context, name: str, one: record.Result, row: ServiceFigures | None) -> str:
    if row is None:
        return context.text(f"! {name}: failed: {one.why}", f"! {name}：演练失败：{one.why}")
    phases = context.text(", ", "，").join(_phases(context, one.seconds))
    rpo = "–" if row.rpo_s is None else f"{row.rpo_s:.1f} s"
    mark = " " if row.kept else "!"
    figures_en = f"RTO {row.rto_s:.1f} s ({row.rto_allowed_s} s), RPO {rpo} ({row.rpo_allowed_s} s)"
    figures_zh = f"RTO {row.rto_s:.1f} s（承诺 {row.rto_allowed_s} s），RPO {rpo}（承诺 {row.rpo_allowed_s} s）"
    return context.text(f"{mark} {name}: {figures_en}; {phases}", f"{mark} {name}：{figures_zh}；{phases}")


def _phases(context: Context, seconds: Mapping[str, float]) -> Iterator[str]:
    names = {"fetch": "取回", "start": "启动", "verify": "验证"}
    return (f"{context.text(phase, names[phase])} {took:.1f} s" for phase, took in seconds.items())


@click.command("drill", hidden=True)
@_services
@click.option("--here", is_flag=True)
@_json
@click.pass_obj
def drill_here(context: Context, services: tuple[str, ...], here: bool, as_json: bool) -> int:  # noqa: ARG001 - as all
    """Drill on this host, as ``netdr dr drill`` and the schedule ask. Standard input may say what is tried."""
    machine = this_machine()
    if machine is None:
        raise UsageError("this host has no duties", hint="netdr dr drill on a controller")
    given = "" if sys.stdin.isatty() else sys.stdin.read()
    tried = Exercise.load(given or json.dumps(machine.book.exercise), "standard input" if given else "host.json")
    done = drilling.run(machine, machine.book.select(services), tried, lambda words: click.echo(words, err=True))
    if as_json:
        click.echo(report.dump((done,)))
    else:
        for name, one in _plain(done).items():
            click.echo(f"{name}: {json.dumps(one, ensure_ascii=False)}")
    for problem in done.problems:
        click.echo(f"netdr: {problem.report()}", err=True)
    return done.problems[0].exit_code if done.problems else 0


def _plain(done: JobReport) -> Mapping[str, object]:
    services = done.facts["services"]
    return services if isinstance(services, dict) else {}
