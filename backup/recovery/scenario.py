"""A recovery plan as it is written: one YAML file per scenario, repeated for each service where it says so.

The shipped ones are in ``plans/`` beside this module; a district's own of the same name, in ``plans/`` of its inventory
folder, take their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from backup.recovery.plan import Decider, Phase, Plan, Step
from inventory import explain, source
from inventory.entry import Duration, Entry, Id, Name
from inventory.source import Document
from netdr.kernel.errors import InventoryError, Problems, UsageError, unknown

SHIPPED = Path(str(files("backup.recovery"))) / "plans"


class Template(Entry):
    """One step of a scenario; with ``each: service`` one for every service, ``{service}`` in its texts being its id.

    ``instruction`` is for a step that a person does. ``irreversible``: why a step that changes something has no
    ``undo``. ``limit``: how long it may take.
    """

    id: Id
    title: Name
    phase: Phase
    does: Id
    limit: Duration
    each: Literal["service"] | None = None
    needs: tuple[Id, ...] = ()
    retries: int = Field(default=0, ge=0)
    undo: str = ""
    irreversible: Name | None = None
    decides: Decider = ""
    before: tuple[Id, ...] = ()
    after: tuple[Id, ...] = ()
    instruction: Name | None = None


class Written(Entry):
    """A scenario's file. ``about``: what is named to it; ``moves``: where its services are active afterwards.

    ``about`` a site or device: that is what is lost, and all services are looked after. ``needs_moment``: it must be
    told a point in time.
    """

    title: Name
    about: Literal["services", "site", "device"] = "services"
    moves: Literal["away", "home", "nowhere"] = "nowhere"
    needs_moment: bool = False
    steps: tuple[Template, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that was read from ``document``; its name is the file's."""

    id: str
    written: Written
    document: Document

    def plan(self, services: Sequence[str]) -> Plan:
        """Return the plan for services. Raise RecoveryError for unknown needs, twins and cycles."""
        repeated = {template.id for template in self.written.steps if template.each}
        steps = [step for template in self.written.steps for step in _steps(template, services, repeated)]
        return Plan.of(self.id, steps)

    def where(self, place: int) -> str:
        """Return ``file:line`` of the step at a place in the file."""
        return self.document.where(("steps", place))


def load_all(folder: Path | None = None) -> Mapping[str, Scenario]:
    """Return every scenario by its name, those of ``folder`` in place of the shipped ones of the same name.

    Raise Problems with everything that is wrong with the form of any of them.
    """
    paths = {path.stem: path for base in (SHIPPED, folder) if base for path in sorted(base.glob("*.yaml"))}
    problems: list[InventoryError] = []
    found: dict[str, Scenario] = {}
    for name, path in sorted(paths.items()):
        try:
            document = source.read(path)
            found[name] = Scenario(name, Written.model_validate(document.value), document)
        except ValidationError as error:
            problems += _explained(document, error)
        except Problems as error:
            problems += [one for one in error.problems if isinstance(one, InventoryError)]
    if problems:
        raise Problems(problems)
    return found


def named(known: Mapping[str, Scenario], name: str) -> Scenario:
    """Return a scenario. Raise UsageError, listing the known ones, if there is none of that name."""
    if name not in known:
        raise UsageError(unknown("scenario", name, known), hint="netdr dr plan list")
    return known[name]


def _steps(template: Template, services: Sequence[str], repeated: Iterable[str]) -> Iterable[Step]:
    """Return the steps that a template stands for."""
    if not template.each:
        return (_step(template, "", _needs(template, services, repeated)),)
    return tuple(_step(template, name, _needs(template, (name,), repeated)) for name in services)


def _needs(template: Template, services: Sequence[str], repeated: Iterable[str]) -> tuple[str, ...]:
    """Return the steps it comes after: of a repeated one that of the same service, for a single step those of all."""
    return tuple(
        step
        for need in template.needs
        for step in ([f"{need}:{name}" for name in services] if need in repeated else [need])
    )


def _step(template: Template, service: str, needs: tuple[str, ...]) -> Step:
    return Step(
        id=f"{template.id}:{service}" if service else template.id,
        title=_of(template.title, service),
        needs=needs,
        limit=float(template.limit),
        service=service,
        retries=template.retries,
        phase=template.phase,
        does=template.does,
        undo=template.undo,
        decides=template.decides,
        before=template.before,
        after=template.after,
        instruction=_of(template.instruction, service) if template.instruction else None,
    )


def _of(name: Name, service: str) -> Name:
    return Name(zh=name.zh.replace("{service}", service), en=name.en.replace("{service}", service))


def _explained(document: Document, error: ValidationError) -> Iterable[InventoryError]:
    for mistake in explain.mistakes(Written, error):
        what = ": ".join(part for part in (mistake.field, mistake.what) if part)
        yield InventoryError(what, where=document.where(mistake.steps), why=mistake.why)
