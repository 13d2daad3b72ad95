"""An agent that answers from a recorded walk, for tests of everything above the seam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.snmp import Oid, SnmpError, Value, VarBind


class FakeAgent:
    """An ``Agent`` over fixed instances; with a ``failure``, one that always fails so. ``requests`` counts calls."""

    def __init__(self, instances: Mapping[Oid, Value], failure: SnmpError | None = None) -> None:
        self._instances = dict(sorted(instances.items()))
        self._failure = failure
        self.requests = 0

    async def get(self, oids: Sequence[Oid]) -> Sequence[VarBind]:
        """Return the instances that exist among ``oids``."""
        self._answer()
        return [VarBind(oid, self._instances[oid]) for oid in oids if oid in self._instances]

    async def walk(self, roots: Sequence[Oid], repetitions: int) -> Sequence[VarBind]:  # noqa: ARG002 - the seam's
        """Return every instance below each of ``roots``."""
        self._answer()
        return [
            VarBind(oid, value)
            for root in roots
            for oid, value in self._instances.items()
            if oid[: len(root)] == root and oid != root
        ]

    def _answer(self) -> None:
        self.requests += 1
        if self._failure is not None:
            raise self._failure
