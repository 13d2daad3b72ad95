"""How to walk several columns side by side with GETBULK (RFC 3416, 4.2.3): pure but for the request it is handed.

One request asks for the next rows of all columns at once; a table of a few rows comes back in one answer. Agents may
cut an answer short anywhere, so every column keeps its own place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from monitoring.snmp import Oid, SnmpError, Value, VarBind, dotted

# Given where each column stands and a number of rows, return the answer's variables in their order on the wire. An
# instance that is past the end of the MIB view is returned with the value None.
Bulk = Callable[[Sequence[Oid], int], Awaitable[Sequence[tuple[Oid, Value | None]]]]


async def walk(bulk: Bulk, roots: Sequence[Oid], rows: int | None, repetitions: int, where: str) -> Sequence[VarBind]:
    """Given a way to ask, return all instances below ``roots``, column by column, each in increasing order.

    ``rows`` is how many rows the columns are thought to have: no more are asked for than these and the end behind them,
    and never more than ``repetitions`` at once. Raise SnmpError ``not-increasing`` if an agent answers with an instance
    that is not after the one asked for, and ``bad-answer`` if an answer is empty.
    """
    found: dict[Oid, list[VarBind]] = {root: [] for root in roots}
    places: dict[Oid, Oid] = {root: root for root in roots}
    while places:
        columns = tuple(places)
        missing = 0 if rows is None else rows + 1 - min(len(found[root]) for root in columns)
        answer = await bulk(
            [places[root] for root in columns], min(missing, repetitions) if missing > 0 else repetitions
        )
        if not answer:
            raise SnmpError("bad-answer", where=where, why="an empty answer to GETBULK")
        for number, (oid, value) in enumerate(answer):
            root = columns[number % len(columns)]
            if root not in places:
                continue
            if value is None or oid[: len(root)] != root:
                del places[root]
                continue
            if oid <= places[root]:
                raise SnmpError("not-increasing", where=where, why=f"{dotted(oid)} after {dotted(places[root])}")
            places[root] = oid
            found[root].append(VarBind(oid, value))
    return tuple(varbind for root in found for varbind in found[root])
