"""What a line configuration looks like, as data: each dialect is one value of ``Dialect`` in a file of its own.

A line's *path* is the headers of the sections it stands in and the line itself. Patterns named ``path`` or ``paths``
match the whole path, its lines joined by a newline; all other patterns match the whole line.
"""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """A line that holds a set of VLANs, changed member by member.

    ``line`` is the form of one member; ``add`` and ``remove`` are the commands that change the set, ``{}`` being
    the members. ``assign`` and ``clear`` are for sets that mean *all* when there is no line: the command that says the
    whole set, and the one that takes the line away. ``top``: only outside of sections. ``apart``: one command each.
    """

    line: str
    add: str
    remove: str
    assign: str = ""
    clear: str = ""
    joint: str = ","
    span: str = "-"
    top: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Lists:
    """Packet filters' lists. ``header`` (a path) names ``list``, ``rule`` (a line) ``text`` and, if numbered, ``seq``.

    ``grammar`` holds the forms of a rule's text that can be understood; see ``rules.parse``. ``keywords`` says that a
    rule is written with ``source``, ``destination`` …, so that it can also be written by us.
    """

    header: str
    rule: str
    write: str
    remove: str
    step: int
    grammar: tuple[str, ...]
    keywords: bool


@dataclass(frozen=True, slots=True)
class Point:
    """Where a list is applied: ``path`` names ``list``, the place ``at`` and the direction ``way``.

    ``swaps`` says that applying another list takes the place of this one without a gap; ``otherwise`` what becomes of
    packets that no rule matches.
    """

    path: str
    swaps: bool
    otherwise: str


@dataclass(frozen=True, slots=True)
class Need:
    """A path that does not work, or is not accepted, without another one. ``other`` may use the names in ``path``."""

    path: str
    other: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to write configurations.

    ``ignored`` lines say nothing. ``blocks`` begin a text that ends where ``end`` comes again. ``refused`` paths cannot
    be changed by a list of commands: (pattern, what to do instead). ``sections`` are paths that open a section even
    when it is empty; ``fixed`` ones are hardware and cannot be removed.

    A ``single`` line takes the place of the one with the same pattern and the same ``key`` in its section; ``additive``
    ones stand beside each other. What is neither is removed before others are added, which is right for both.

    ``shorter`` are lines of which only a part is said with the negation: (pattern, what of it).

    ``needs`` are what a path cannot be without, ``bars`` what it cannot be beside. ``facts`` are paths with a meaning:
    (kind, pattern); see ``facts.read``. ``order`` (paths) is the order of additions; removals go the other way.
    """

    name: str
    negation: str
    leave: str
    ignored: tuple[str, ...]
    blocks: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    sections: tuple[str, ...]
    fixed: tuple[str, ...]
    single: tuple[str, ...]
    additive: tuple[str, ...]
    shorter: tuple[tuple[str, str], ...]
    members: tuple[Members, ...]
    lists: Lists
    points: tuple[Point, ...]
    needs: tuple[Need, ...]
    bars: tuple[Need, ...]
    facts: tuple[tuple[str, str], ...]
    order: tuple[str, ...]
