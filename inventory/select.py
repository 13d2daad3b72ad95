"""One language for naming some of a district's nodes, the same on the command line, in Nornir and in Ansible.

An expression is a list of terms separated by commas; the result is their union, in inventory order:

* ``role:access``, ``site:gac``, ``unit:audit``: every node with that role, at that site, of that unit
* ``core-1``: the node with that id
* ``acc-*``: every node whose id matches the pattern (``*``, ``?``, ``[…]``)
* ``!term``: not these. An expression that only excludes starts from all nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from inventory.network import Node
from netdr.kernel.errors import UsageError, unknown

_ATTRIBUTES: dict[str, Callable[[Node], str]] = {
    "role": lambda node: node.role,
    "site": lambda node: node.site,
    "unit": lambda node: node.unit,
}


def select(nodes: Sequence[Node], expression: str) -> tuple[str, ...]:
    """Given candidates and an expression, return the ids it names, in the candidates' order.

    An empty expression names all. Raise UsageError, listing what is known, if a term matches none of the candidates or
    if nothing is left.
    """
    terms = [term.strip() for term in expression.split(",") if term.strip()]
    wanted = [term for term in terms if not term.startswith("!")]
    unwanted = [term[1:].strip() for term in terms if term.startswith("!")]
    found = _union(nodes, wanted) if wanted else {node.id for node in nodes}
    found -= _union(nodes, unwanted)
    if not found:
        raise UsageError(f"the selection '{expression}' leaves no device")
    return tuple(node.id for node in nodes if node.id in found)


def _union(nodes: Sequence[Node], terms: Iterable[str]) -> set[str]:
    return {name for term in terms for name in _matches(nodes, term)}


def _matches(nodes: Sequence[Node], term: str) -> set[str]:
    key, colon, value = term.partition(":")
    if colon:
        return _with_attribute(nodes, key, value)
    found = {node.id for node in nodes if fnmatchcase(node.id, term)}
    if not found:
        raise UsageError(
            unknown("device", term, (node.id for node in nodes)),
            hint="name a device, a pattern such as 'acc-*', or role:…, site:…, unit:…",
        )
    return found


def _with_attribute(nodes: Sequence[Node], key: str, value: str) -> set[str]:
    if key not in _ATTRIBUTES:
        raise UsageError(unknown("kind of selection", key, _ATTRIBUTES))
    attribute = _ATTRIBUTES[key]
    found = {node.id for node in nodes if attribute(node) == value}
    if not found:
        raise UsageError(unknown(key, value, {attribute(node) for node in nodes} - {""}))
    return found
