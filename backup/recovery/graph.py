"""A plan's graph: its layers, its longest way, what hangs on what, and its drawing in DOT. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from backup.recovery.plan import Plan, Step
from netdr.kernel.language import Language


def layers(plan: Plan) -> tuple[tuple[Step, ...], ...]:
    """Return the steps by how many steps there are, at most, on a way to them: a layer needs only earlier ones."""
    depth: dict[str, int] = {}
    for step in plan.steps:
        depth[step.id] = 1 + max((depth[need] for need in step.needs), default=-1)
    count = max(depth.values(), default=-1) + 1
    return tuple(tuple(step for step in plan.steps if depth[step.id] == level) for level in range(count))


def longest(plan: Plan, seconds: Mapping[str, float], end: str = "") -> tuple[str, ...]:
    """Given each step's duration, return the way that takes longest, to the step ``end`` or to any."""
    total: dict[str, float] = {}
    before: dict[str, str] = {}
    for step in plan.steps:
        last = max(step.needs, key=lambda need: total[need], default="")
        total[step.id] = seconds[step.id] + (total[last] if last else 0.0)
        before[step.id] = last
    found: list[str] = []
    at = end or max(total, key=lambda step: total[step], default="")
    while at:
        found.append(at)
        at = before[at]
    return tuple(reversed(found))


def ancestors(plan: Plan) -> Mapping[str, frozenset[str]]:
    """Return, for each step, all that must be done before it."""
    found: dict[str, frozenset[str]] = {}
    for step in plan.steps:
        found[step.id] = frozenset(step.needs).union(*(found[need] for need in step.needs))
    return found


def dot(plan: Plan, language: Language, marked: Collection[str] = ()) -> str:
    """Return the plan for Graphviz: a box for each step, coloured by who must decide; ``marked`` ones are bold."""
    lines = [f'digraph "{plan.scenario}" {{', "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for step in plan.steps:
        colour = ", color=red" if step.decides or step.instruction else ""
        bold = ", penwidth=3" if step.id in marked else ""
        label = f"{step.title.of(language)}\\n{step.phase}".replace('"', "'")
        lines.append(f'  "{step.id}" [label="{label}"{colour}{bold}];')
    lines += [f'  "{need}" -> "{step.id}";' for step in plan.steps for need in step.needs]
    return "\n".join([*lines, "}"]) + "\n"
