"""A district's folder as far as it could be read: the entries that hold, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inventory import explain, source
from inventory.asset import Asset, Protection, Service
from inventory.entry import Entry
from inventory.model import Device, District, Host, Link, Rule, Settings, Site, Unit, Uplink, UserClass, Zone
from inventory.source import Document, Step
from netdr.kernel.errors import InventoryError, NetdrError, Problems, unknown


@dataclass(frozen=True, slots=True)
class Section:
    """Where one field of a District is written: a list below ``key``, or the whole file if there is no key."""

    field: str
    noun: str
    kind: type[Entry]
    file: str
    key: str = ""


SECTIONS = (
    Section("settings", "district", Settings, "district.yaml"),
    Section("sites", "site", Site, "sites.yaml", "sites"),
    Section("devices", "device", Device, "devices.yaml", "devices"),
    Section("links", "link", Link, "devices.yaml", "links"),
    Section("hosts", "host", Host, "hosts.yaml", "hosts"),
    Section("units", "unit", Unit, "units.yaml", "units"),
    Section("zones", "zone", Zone, "policy.yaml", "zones"),
    Section("classes", "class", UserClass, "policy.yaml", "classes"),
    Section("rules", "rule", Rule, "policy.yaml", "rules"),
    Section("uplink", "uplink", Uplink, "uplink.yaml"),
    Section("services", "service", Service, "services.yaml", "services"),
    Section("assets", "asset", Asset, "assets.yaml", "assets"),
    Section("protections", "protection", Protection, "protection.yaml", "protections"),
)
_BY_FIELD = {section.field: section for section in SECTIONS}
FILES = tuple(dict.fromkeys(section.file for section in SECTIONS))


@dataclass(frozen=True, slots=True)
class Draft:
    """The entries that hold. ``complete`` names the District's fields of which nothing was refused.

    ``district`` has only what could be read: a field that is one entry is absent unless it is complete.
    """

    district: District
    complete: frozenset[str]
    problems: tuple[NetdrError, ...]
    documents: Mapping[str, Document]
    # For each field that is a list, the place in the file of each entry that holds.
    places: Mapping[str, tuple[int, ...]]

    def where(self, at: tuple[Step, ...]) -> str:
        """Return ``file:line`` of what a Finding is about."""
        section = _BY_FIELD[str(at[0])]
        steps = at[1:]
        if section.key:
            places = self.places[section.field]
            steps = (
                section.key,
                *(places[step] if n == 0 and isinstance(step, int) else step for n, step in enumerate(steps)),
            )
        return self.documents[section.file].where(steps)


@dataclass(slots=True)
class _Reading:
    """The state of reading one folder."""

    values: dict[str, Any] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    problems: list[NetdrError] = field(default_factory=list)
    documents: dict[str, Document] = field(default_factory=dict)
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)


def draft(folder: Path) -> Draft:
    """Return what could be read of a folder, with every mistake in form and type."""
    if not folder.is_dir():
        problem = InventoryError("no such folder", where=str(folder), hint="netdr -i FOLDER …")
        raise Problems([problem])
    reading = _Reading()
    for file in FILES:
        sections = [section for section in SECTIONS if section.file == file]
        try:
            reading.documents[file] = source.read(folder / file)
        except Problems as error:
            reading.problems.extend(error.problems)
            for section in sections:
                _nothing(reading, section)
            continue
        _file(reading, reading.documents[file], sections)
    return Draft(
        District.model_construct(**reading.values),
        frozenset(reading.complete),
        tuple(reading.problems),
        reading.documents,
        reading.places,
    )


def _nothing(reading: _Reading, section: Section) -> None:
    if section.key:
        reading.values[section.field] = ()
        reading.places[section.field] = ()


def _file(reading: _Reading, document: Document, sections: list[Section]) -> None:
    if not sections[0].key:
        _whole(reading, document, sections[0])
        return
    content = document.value
    keys = [section.key for section in sections]
    if not isinstance(content, dict):
        what = f"{explain.shown(content)} is not a mapping (key: value)"
        reading.problems.append(InventoryError(what, where=document.where(()), why=f"needed: {', '.join(keys)}"))
        content = None
    for key in content or ():
        if key not in keys:
            reading.problems.append(InventoryError(unknown("key", key, keys), where=document.where((key,))))
    for section in sections:
        _nothing(reading, section)
        if content is not None and section.key not in content:
            what = f"key '{section.key}' is missing"
            reading.problems.append(InventoryError(what, where=document.where(())))
        elif content is not None:
            _list(reading, document, section, content[section.key])


def _whole(reading: _Reading, document: Document, section: Section) -> None:
    try:
        reading.values[section.field] = section.kind.model_validate(document.value)
        reading.complete.add(section.field)
    except ValidationError as error:
        reading.problems.extend(_explained(document, section, (), error))


def _list(reading: _Reading, document: Document, section: Section, entries: object) -> None:
    if not isinstance(entries, tuple):
        what = f"{section.key}: {explain.shown(entries)} is not a list"
        reading.problems.append(InventoryError(what, where=document.where((section.key,))))
        return
    good: dict[int, Entry] = {}
    for place, entry in enumerate(entries):
        try:
            good[place] = section.kind.model_validate(entry)
        except ValidationError as error:
            reading.problems.extend(_explained(document, section, (section.key, place), error))
    reading.values[section.field] = tuple(good.values())
    reading.places[section.field] = tuple(good)
    if len(good) == len(entries):
        reading.complete.add(section.field)


def _explained(
    document: Document, section: Section, base: tuple[Step, ...], error: ValidationError
) -> Iterable[InventoryError]:
    entry: object = document.value
    for step in base:
        entry = entry[step]  # type: ignore[index]
    subject = section.noun
    if base and isinstance(entry, dict) and isinstance(entry.get("id"), str):
        subject = f"{section.noun} '{entry['id']}'"
    for mistake in explain.mistakes(section.kind, error):
        what = ": ".join(part for part in (subject, mistake.field, mistake.what) if part)
        yield InventoryError(what, where=document.where((*base, *mistake.steps)), why=mistake.why)
