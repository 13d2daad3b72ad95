"""What to ask an agent and how to read the answer: modules in the form of snmp_exporter's ``snmp.yml``.

The files in ``modules/`` are data: object identifiers and names come from the MIBs, the help texts are netdr's own.
Unknown keys and types are refused; what snmp_exporter knows beyond this is added here when a module needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from monitoring.snmp import Oid, parse_oid
from netdr.kernel.errors import MonitorError, Problems

MetricType = Literal["gauge", "counter", "DisplayString", "InetAddressIPv4"]


def _oid(value: object) -> object:
    if not isinstance(value, str):
        message = "expected an object identifier such as 1.3.6.1.2.1.1"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a located problem
    return parse_oid(value)


OidText = Annotated[Oid, BeforeValidator(_oid)]


class Entry(BaseModel):
    """A part of a module file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Index(Entry):
    """One component of a table's index, in the order of the MIB's INDEX clause, and the label it becomes."""

    labelname: str
    type: Literal["gauge", "InetAddressIPv4"]

    @property
    def width(self) -> int:
        """How many numbers of the object identifier the component takes."""
        return 4 if self.type == "InetAddressIPv4" else 1


class Lookup(Entry):
    """A label whose value is another column's value; ``labels`` name the index components that find its row."""

    labels: tuple[str, ...]
    labelname: str
    oid: OidText
    type: MetricType


class Metric(Entry):
    """One scalar or column, and the metric it becomes."""

    name: str
    oid: OidText
    type: MetricType
    help: str
    indexes: tuple[Index, ...] = ()
    lookups: tuple[Lookup, ...] = ()


class Module(Entry):
    """What one scrape of one subject asks: ``get`` for scalars' instances, ``walk`` for columns read side by side."""

    walk: tuple[OidText, ...] = ()
    get: tuple[OidText, ...] = ()
    metrics: tuple[Metric, ...]
    max_repetitions: Annotated[int, Field(ge=1, le=1000)] = 25


class _File(Entry):
    modules: dict[str, Module]


def load(paths: Iterable[Path]) -> Mapping[str, Module]:
    """Given files, return their modules by name. Raise Problems with every mistake, duplicate names included."""
    modules: dict[str, Module] = {}
    problems: list[MonitorError] = []
    for path in paths:
        try:
            read = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            problems.append(MonitorError("cannot be read as YAML", where=str(path), why=str(error)))
        except ValidationError as error:
            problems += [_problem(path, detail["loc"], detail["msg"]) for detail in error.errors()]
        else:
            problems += [_problem(path, ("modules", name), "defined twice") for name in read.modules if name in modules]
            modules |= read.modules
    if problems:
        raise Problems(problems)
    return modules


def _problem(path: Path, place: tuple[int | str, ...], what: str) -> MonitorError:
    return MonitorError(what, where=f"{path}: {'.'.join(map(str, place))}")


@cache
def shipped() -> Mapping[str, Module]:
    """Return the modules of ``monitoring/modules``."""
    return load(sorted((Path(__file__).parent / "modules").glob("*.yaml")))
