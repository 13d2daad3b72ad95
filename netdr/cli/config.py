"""``netdr diff``, ``netdr plan``: what is different, and what would be done about it. Nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from inventory import placement
from inventory.revision import revision
from inventory.select import select
from netdr.cli import newrisk, tryout, twintext, wayback
from netdr.cli.changes import grouped, groups_json, show_groups, show_plan
from netdr.cli.context import Context, print_json
from netdr.cli.progress import Ticker
from nornir_tasks import engine, runners
from nornir_tasks import plan as plans
from nornir_tasks.engine import Engine
from nornir_tasks.plan import Plan

limit_option = click.option(
    "-l", "--limit", default="", metavar="SEL", help="Devices: id, pattern, role:…, site:…, unit:…; comma: and; !: not."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
check_option = click.option(
    "--check", "checks", multiple=True, metavar="CMD", help="A command that must exit with 0 after the change."
)
twin_option = click.option(
    "--twin",
    is_flag=False,
    flag_value="",
    metavar="[PLAN]",
    help="Try it on a lab that is as the devices are now; or a plan from elsewhere, with --before.",
)
sweep_option = click.option(
    "--sweep",
    is_flag=False,
    flag_value="all",
    metavar="[WHAT]",
    help="On the twin, fail each link and device in turn: all, links, devices, or names with commas between.",
)
reverse_option = click.option(
    "--reverse", is_flag=False, flag_value="", metavar="[PLAN]", help="Show the way back: of a new plan, or of a file."
)
before_option = click.option(
    "--before",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The inventory folder that a plan from elsewhere starts from.",
)
runner_option = click.option(
    "--runner",
    default=runners.DEFAULT,
    envvar="NETDR_RUNNER",
    metavar="R",
    help="What does the steps: threads, processes (of this machine), or dask:tls://HOST:PORT (a cluster).",
)


@click.command()
@limit_option
@runner_option
@json_option
@click.pass_obj
def diff(context: Context, limit: str, runner: str, as_json: bool) -> None:
    """Show what is different on the devices, identical changes once; secrets as fingerprints.

    With --json: devices (how many), changed (ids), groups (devices, parameters, values, diff), diffs (by id), seconds.
    """
    start = time.monotonic()
    with engine_of(context, runner) as devices, Ticker(context) as ticker:
        seen = devices.observe(select(context.network.devices, limit), ticker)
    diffs = {device: observed.diff for device, observed in seen.items() if observed.running != observed.intended}
    found = grouped(context.network, diffs)
    if as_json:
        seconds = round(time.monotonic() - start, 3)
        counts = {"devices": len(seen), "changed": list(diffs)}
        print_json({**counts, "groups": groups_json(found), "diffs": diffs, "seconds": seconds})
        return
    show_groups(context, found)
    total, changed = len(seen), len(diffs)
    click.echo(context.text(f"{total} devices: {changed} different", f"共 {total} 台设备：{changed} 台有差异"))


@click.command()
@limit_option
@check_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: plans/ID.json in the state folder."
)
@twin_option
@sweep_option
@before_option
@reverse_option
@runner_option
@json_option
@click.pass_obj
def plan(  # noqa: PLR0913, PLR0917 - one argument per option
    context: Context,
    limit: str,
    checks: tuple[str, ...],
    out: Path | None,
    twin: str | None,
    sweep: str | None,
    before: Path | None,
    reverse: str | None,
    runner: str,
    as_json: bool,
) -> int:
    """Write down what would be changed, in which order, and how it is undone; change nothing.

    With --json: plan (id), file, inventory, author, devices (how many), changed (ids), waves, notes, groups, checks,
    timers, seconds. With --twin also twin: ok, lab, base, up_s, deploy (as netdr deploy prints it), loss (by unit:
    sent, lost, longest_gap_s), matrix (cells, mismatches), sweep (links, devices, findings, single_points), seconds.
    Exit status 8 if the twin says no. With --reverse: plan, changed, groups.
    """
    start = time.monotonic()
    if reverse:
        return wayback.show(context, wayback.read(Path(reverse)), as_json=as_json)
    asked = tryout.wish(context, twin, sweep, before)
    if asked and asked.file:
        return tryout.of_file(context, asked, asked.file, as_json=as_json)
    with engine_of(context, runner) as devices, Ticker(context) as ticker:
        made = devices.plan_change(select(context.network.devices, limit), checks, ticker)
        if made.changed:
            news = newrisk.notes(context, devices.deployed(), devices.revision)
            made = replace(made, notes=(*made.notes, *news))
        present = devices.observe((), ticker) if asked else {}
    file = _write(context, made, out)
    if reverse is not None:
        return wayback.show(context, made, as_json=as_json)
    if not as_json:
        show_plan(context, context.network, made)
        click.echo(context.text(f"plan: {file}", f"计划文件：{file}"))
    trial = tryout.of_plan(context, asked, made, present) if asked else None
    if not as_json:
        if trial:
            twintext.show(context, trial)
        return tryout.exit_code(trial) if trial else 0
    more = {"twin": trial.as_dict()} if trial else {}
    print_json({**_as_dict(context, made, file), **more, "seconds": round(time.monotonic() - start, 3)})
    return tryout.exit_code(trial) if trial else 0


def _as_dict(context: Context, made: Plan, file: Path) -> dict[str, object]:
    found = grouped(context.network, {device: made.devices[device].diff for device in made.changed})
    return {
        "plan": made.id,
        "file": str(file),
        "inventory": made.inventory,
        "author": made.author,
        "devices": len(made.devices),
        "changed": list(made.changed),
        "waves": made.waves,
        "notes": made.notes,
        "groups": groups_json(found),
        "checks": made.checks,
        "timers": {"revert": made.timers.revert, "gate": made.timers.gate, "settle": made.timers.settle},
    }


@contextmanager
def engine_of(context: Context, runner: str) -> Iterator[Engine]:
    """Yield an engine on the district's devices, with the services where the placement says they are.

    Raise UsageError, with the known ones, if there is no such runner.
    """
    where = placement.load(context.state, context.network.district)
    with engine.opened(context.network, where, context.secrets, context.state, runner) as devices:
        yield replace(devices, revision=revision(context.inventory))


def _write(context: Context, made: Plan, out: Path | None) -> Path:
    file = out or context.state / "plans" / f"{made.id}.json"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(plans.dump(made), encoding="utf-8")
    return file
