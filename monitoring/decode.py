"""From an agent's answers to metrics: pure.

The rules are snmp_exporter's: the value of a text becomes a label named like the metric, with the value 1; a lookup
that finds nothing gives an empty label; counters are shown modulo 2^53, so that a float holds them exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from monitoring.module import Index, Lookup, Metric, Module
from monitoring.snmp import Oid, Value, VarBind, dotted

Labels = tuple[tuple[str, str], ...]
Number = int | float

# The largest range of integers that IEEE 754 double precision, Prometheus' only type, holds without a gap.
EXACT = 2**53


class Sample(NamedTuple):
    """One value of a metric."""

    labels: Labels
    value: Number


class Family(NamedTuple):
    """All values of one metric; ``kind`` is ``gauge`` or ``counter``."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def decode(module: Module, varbinds: Iterable[VarBind]) -> Iterator[Family]:
    """Given what an agent answered to a module's ``get`` and ``walk``, yield the metrics that have values."""
    values = {varbind.oid: varbind.value for varbind in varbinds}
    rows = _rows(module, values)
    labels_of = _RowLabels(values)
    for metric in module.metrics:
        samples = [_sample(metric, labels_of(metric, suffix), value) for suffix, value in rows[metric.oid]]
        if samples:
            kind = "counter" if metric.type == "counter" else "gauge"
            yield Family(metric.name, kind, metric.help, samples)


def _rows(module: Module, values: Mapping[Oid, Value]) -> Mapping[Oid, list[tuple[Oid, Value]]]:
    """Return the instances below each metric's OID as (rest of the OID, value), leaving out rows of another width."""
    widths = {metric.oid: sum(index.width for index in metric.indexes) or 1 for metric in module.metrics}
    rows: dict[Oid, list[tuple[Oid, Value]]] = {oid: [] for oid in widths}
    for oid, value in values.items():
        for width in set(widths.values()):
            if widths.get(oid[:-width]) == width:
                rows[oid[:-width]].append((oid[-width:], value))
    return rows


class _RowLabels:
    """The labels of a row, computed once for all columns that share index and lookups."""

    def __init__(self, values: Mapping[Oid, Value]) -> None:
        self._values = values
        self._known: dict[tuple[tuple[Index, ...], tuple[Lookup, ...], Oid], Labels] = {}

    def __call__(self, metric: Metric, suffix: Oid) -> Labels:
        if not metric.indexes:
            return ()
        key = (metric.indexes, metric.lookups, suffix)
        if key not in self._known:
            self._known[key] = self._labels(metric, suffix)
        return self._known[key]

    def _labels(self, metric: Metric, suffix: Oid) -> Labels:
        parts: dict[str, Oid] = {}
        for index in metric.indexes:
            parts[index.labelname], suffix = suffix[: index.width], suffix[index.width :]
        labels = {name: dotted(part) for name, part in parts.items()}
        for lookup in metric.lookups:
            row = tuple(number for name in lookup.labels for number in parts[name])
            labels[lookup.labelname] = _text(lookup.type, self._values.get(lookup.oid + row, b""))
        return tuple(labels.items())


def _sample(metric: Metric, labels: Labels, value: Value) -> Sample:
    if isinstance(value, int):
        return Sample(labels, value % EXACT if metric.type == "counter" else value)
    return Sample((*labels, (metric.name, _text(metric.type, value))), 1)


def _text(kind: str, value: Value) -> str:
    """Return a value as the text of a label; octets that are not UTF-8 become U+FFFD."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return dotted(value)
    if kind == "InetAddressIPv4":
        return dotted(tuple(value))
    return value.decode("utf-8", "replace")
