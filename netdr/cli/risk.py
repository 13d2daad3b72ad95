"""``netdr risk``: what a single failure costs, by tier and units, each with the cheapest mend."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from backup import remote
from backup.escrow.keep import Keeper
from backup.recovery.report.kept import kept
from backup.remote import Order
from backup.verbs import WHERE
from inventory import placement
from inventory.risk.found import Known, risks
from inventory.risk.people import Escrow
from inventory.risk.rehearsal import Rehearsed
from inventory.risk.risk import NO_TIER, Kind, Risk
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import NetdrError

_KINDS: dict[Kind, tuple[str, str]] = {
    "link": ("link", "链路"),
    "device": ("device", "设备"),
    "host": ("host", "主机"),
    "site": ("site", "站点"),
    "copy": ("copies", "备份"),
    "pair": ("pair", "冗余"),
    "key": ("keys", "密钥"),
    "person": ("people", "人员"),
    "drill": ("drills", "演练"),
}
# How many of the things with the same risk are named.
_NAMED = 3
# Seconds that the hosts may take to say how the backups stand; one that does not answer is given up after ten.
_LIMIT_S = 60


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the risks for programs.")
@click.pass_obj
def risk(context: Context, as_json: bool) -> None:
    """Show the single points of failure, ranked by tier and units hit, each with its cheapest mend.

    Every link, device, services host and site is taken out in turn, at home and after a failover. Only the backbone is
    counted on to forward: no unit's switch carries the traffic of others. Also: copies, proofs, pairs, keys, people,
    the drills and recoveries that this machine has the reports of, and on a controller how the backups stand.

    With --json: risks (kind, subject, effect, rule, tier, units (what each unit loses), what, mend, lines, clause).
    """
    known = Known(time.time(), _escrow(context), _rehearsed(context), _backups(context))
    found = risks(context.network, known)
    if as_json:
        print_json({"risks": [one.as_dict() for one in found]})
        return
    for number, (first, *others) in enumerate(_alike(found), 1):
        click.echo(f"{number:3}. {_head(context, first, others)}")
        click.echo(f"     {_what(context, first, others)}")
        example = context.text("e.g. ", "例如：") if others else ""
        click.echo(f"     → {example}{first.mend.of(context.language)}")
    gravest = sum(one.tier == 1 for one in found)
    click.echo(
        context.text(
            f"{len(found)} risks, {gravest} of them to tier 1", f"共 {len(found)} 项风险，其中 {gravest} 项涉及一级业务"
        )
    )


def _escrow(context: Context) -> Escrow | None:
    """Return the escrow that this machine keeps the bundle of. Raise BackupError if that cannot be read."""
    keeper = Keeper.controller(context.state)
    if not keeper.bundle.exists():
        return None
    kept = keeper.read()
    return Escrow(kept.shares.threshold, kept.count)


def _rehearsed(context: Context) -> Mapping[str, Rehearsed]:
    """Return, for every service that came back in a run that this machine has the evidence of, the last time."""
    found: dict[str, Rehearsed] = {}
    for one in kept(context.state / "evidence" / "recovery"):
        for name, row in one["report"]["services"].items():
            found[name] = Rehearsed(one["report"]["lost_at"], row["kept"])
    return found


def _backups(context: Context) -> Mapping[str, Sequence[NetdrError]]:
    """Return what is wrong with each asset's backups, as its hosts say; nothing where there is no key to ask them."""
    if not (context.state / "ssh" / "id_ed25519").exists():
        return {}
    network = context.network
    now = placement.load(context.state, network.district)
    where = remote.hosts_of(network, now, WHERE["status"], network.district.protected)
    hosts = remote.over_ssh(network, context.inventory, context.state)
    with context.step("ask the hosts how the backups stand", "查询各主机的备份状况"):
        reports = hosts.each({host: Order("status", tuple(names), limit=_LIMIT_S) for host, names in where.items()})
    found: dict[str, tuple[NetdrError, ...]] = {}
    for one in reports:
        found[one.service] = (*found.get(one.service, ()), *one.problems)
    return found


def _alike(found: Iterable[Risk]) -> Iterator[list[Risk]]:
    """Yield the risks; those of units' own switches and lines that are alike come together, where the first stands."""
    groups: dict[tuple[object, ...], list[Risk]] = {}
    for one in found:
        key = (one.rule, one.effect, one.tier) if one.own else one.key
        groups.setdefault(key, []).append(one)
    yield from groups.values()


def _head(context: Context, first: Risk, others: list[Risk]) -> str:
    kind = context.text(*_KINDS[first.kind])
    names = [one.subject for one in (first, *others)]
    listed = " ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    units = len({unit for one in (first, *others) for unit in one.units})
    tier = (
        context.text(f"tier {first.tier}", f"{first.tier} 级")
        if first.tier < NO_TIER
        else context.text("no tier", "不分级")
    )
    count = context.text(f"{units} unit{'s' * (units != 1)}", f"{units} 个单位")
    many = f"{len(names)} × " if others else ""
    clause = f", {first.clause}" if first.clause else ""
    return click.style(f"{many}{kind} {listed}", bold=True) + f" ({tier}, {count}{clause})"


def _what(context: Context, first: Risk, others: list[Risk]) -> str:
    example = context.text(f"{first.subject}: ", f"{first.subject}：") if others else ""
    return example + first.what.of(context.language)
