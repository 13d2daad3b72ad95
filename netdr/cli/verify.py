"""``netdr verify``: compare what should be with what packets find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict

import click

from inventory.policy import expected
from lab import matrix as packets
from lab.matrix import Observation
from netdr.cli.context import Context, print_json
from netdr.cli.table import aligned
from netdr.kernel.errors import VerifyError


@click.group()
def verify() -> None:
    """Compare what the inventory says with what packets find."""


@verify.command()
@click.option("--lab", "name", help="The lab. Default: the district's id.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures and all mismatches for programs.")
@click.pass_obj
def matrix(context: Context, name: str | None, as_json: bool) -> int:
    """Try every flow of the policy's matrix in a running lab, from the users' own hosts.

    Exit status 8 if a flow that a rule permits does not get through, or one that no rule permits does.
    """
    network = context.network
    lab = name or network.district.settings.id
    cells = expected(network).cells
    with context.step(f"trying {len(cells)} flows", f"用真实报文核对 {len(cells)} 条流"):
        found = packets.observe(lab, network, cells)
    wrong = [seen for seen in found if not seen.matches]
    if as_json:
        print_json({"cells": len(found), "mismatches": [_plain(seen) for seen in wrong]})
        return VerifyError.exit_code if wrong else 0
    _show(context, found, wrong)
    if wrong:
        what = f"{len(wrong)} of {len(found)} flows are not as the policy says"
        raise VerifyError(what, where=f"lab {lab}", hint="netdr deploy; then netdr verify matrix")
    return 0


def _plain(seen: Observation) -> dict[str, object]:
    return asdict(seen.cell) | {"observed": _verdict(seen)}


def _verdict(seen: Observation) -> str:
    return "permit" if seen.passed else "deny"


def _show(context: Context, found: Iterable[Observation], wrong: Iterable[Observation]) -> None:
    """Print how many flows to each kind of destination got through and how many did not, then every mismatch."""
    counts = defaultdict[tuple[str, str], list[bool]](list)
    for seen in found:
        counts[_group(context, seen), seen.cell.port].append(seen.passed)
    head = [context.text(*words) for words in (("to", "目的"), ("port", "端口"), ("passed", "通"), ("refused", "不通"))]
    rows = [[*key, str(sum(passed)), str(len(passed) - sum(passed))] for key, passed in counts.items()]
    click.echo("\n".join(aligned([head, *rows])))
    for seen in wrong:
        cell = seen.cell
        rule = (
            context.text(f"rule {cell.rule}", f"规则 {cell.rule}") if cell.rule else context.text("no rule", "无规则")
        )
        click.echo(f"{cell.source} > {cell.destination} {cell.port}: {cell.verdict} ({rule}), {_verdict(seen)}")


def _group(context: Context, seen: Observation) -> str:
    """Return what a destination is shown as: services and zones by id, nodes by their role."""
    network, to = context.network, seen.cell.destination
    if to in network.nodes:
        return network.nodes[to].role
    return context.text("users", "用户") if to.startswith("host-") else to
