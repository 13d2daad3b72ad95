"""The platforms a device can have, and the features a role asks of them.

A platform is a folder of ``templates/`` with a ``platform.yaml``; nothing lists them. One that is ``like`` another only
has a driver of its own. ``templates/roles.yaml`` says which features a role has, in no vendor's words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from inventory import explain, source
from inventory.entry import Entry
from netdr.kernel.errors import InventoryError, Problems, RenderError, unknown

FOLDER = Path(str(files("templates")))
ROLES = FOLDER / "roles.yaml"
# Nodes that no template is for: servers and the city's router. Linux numbers their ports from 0.
_UNMANAGED = {"server": "eth", "external": "eth"}


_Kind = TypeVar("_Kind", bound=Entry)


class OwnedFile(Entry):
    """A file netdr owns on a device, and the features that are written in it."""

    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")]
    owner: Annotated[str, Field(pattern=r"^[a-z_][\w-]*:[a-z_][\w-]*$")]
    features: tuple[str, ...] = Field(min_length=1)


class _Written(Entry):
    """A ``platform.yaml`` as it is written."""

    title: str
    driver: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]
    ports: Annotated[str, Field(pattern=r"\{n\}")]
    files: dict[str, OwnedFile]
    capabilities: dict[str, Literal[True] | str]
    secret_patterns: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()


class _Variant(Entry):
    """A ``platform.yaml`` of a platform that says the same as another and is reached in another way."""

    title: str
    like: str
    driver: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]


@dataclass(frozen=True, eq=False)
class PlatformSpec:
    """What is particular about a platform, all of it data.

    ``driver`` is ``module:class``; ``capabilities`` says of each feature True or why not; each of ``secret_patterns``
    has the secret as group 1; lines that match ``volatile`` mean no difference; ``folder`` has its templates.
    """

    name: str
    folder: Path
    title: str
    driver: str
    ports: str
    files: Mapping[str, OwnedFile]
    capabilities: Mapping[str, bool | str]
    secret_patterns: tuple[re.Pattern[str], ...]
    volatile: tuple[re.Pattern[str], ...]

    @property
    def where(self) -> str:
        """The file that says all this."""
        return str(self.folder / "platform.yaml")

    @cached_property
    def file_of(self) -> Mapping[str, str]:
        """The path of the file each feature is written in."""
        return {feature: path for path, file in self.files.items() for feature in file.features}

    def template(self, feature: str) -> Path:
        """Return the template of a feature. Raise RenderError if the platform does not know or cannot do it."""
        can = self.capabilities.get(feature)
        if can is None or (can is True and feature not in self.file_of):
            raise RenderError(unknown("feature", feature, self.file_of), where=self.where, hint=f"see {ROLES}")
        if can is not True:
            raise RenderError(f"platform {self.name} cannot do '{feature}'", where=self.where, why=str(can))
        return self.folder / f"{feature}.j2"


class Roles(Entry):
    """The features of each role in order, and those every device has before netdr first reaches it."""

    day0: tuple[str, ...]
    roles: dict[str, tuple[str, ...]]

    def features(self, role: str, *, day0: bool = False) -> tuple[str, ...]:
        """Return the features of a role, or only those of day 0. Raise RenderError if there is no such role."""
        if role not in self.roles:
            raise RenderError(unknown("role", role, self.roles), where=str(ROLES))
        return self.day0 if day0 else self.roles[role]


@cache
def known() -> tuple[str, ...]:
    """Return the names of the platforms a device can have."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/platform.yaml")))


@cache
def ordinary() -> tuple[str, ...]:
    """Return the platforms that a mistake's message offers: not those that stand in for another."""
    return tuple(name for name in known() if "like" not in _mapping(FOLDER / name / "platform.yaml"))


@cache
def platform(name: str) -> PlatformSpec:
    """Return a platform. Raise InventoryError if there is none of this name, Problems if its file is wrong."""
    if name not in known():
        raise InventoryError(unknown("platform", name, ordinary()))
    path = FOLDER / name / "platform.yaml"
    if "like" in _mapping(path):
        variant = _read(path, _Variant)
        return replace(platform(variant.like), name=name, title=variant.title, driver=variant.driver)
    written = _read(path, _Written)
    return PlatformSpec(
        name=name,
        folder=path.parent,
        title=written.title,
        driver=written.driver,
        ports=written.ports,
        files=written.files,
        capabilities=written.capabilities,
        secret_patterns=tuple(re.compile(pattern, re.MULTILINE) for pattern in written.secret_patterns),
        volatile=tuple(re.compile(pattern) for pattern in written.volatile),
    )


@cache
def roles() -> Roles:
    """Return what ``roles.yaml`` says. Raise Problems if it is wrong."""
    return _read(ROLES, Roles)


def port(platform_name: str, number: int) -> str:
    """Return the name of the ``number``-th port, from 1, of a node of this platform.

    Raise as ``platform`` does.
    """
    if platform_name in _UNMANAGED:
        return f"{_UNMANAGED[platform_name]}{number - 1}"
    return platform(platform_name).ports.replace("{n}", str(number))


def _mapping(path: Path) -> Mapping[str, object]:
    value = source.read(path).value
    return value if isinstance(value, dict) else {}


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    document = source.read(path)
    try:
        return kind.model_validate(document.value)
    except ValidationError as error:
        raise Problems(
            InventoryError(mistake.what, where=document.where(mistake.steps), why=mistake.why)
            for mistake in explain.mistakes(kind, error)
        ) from error
