"""Services and what they are promised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from inventory.asset import Files, Postgres
from inventory.check.finding import Check, Finding, needing
from inventory.entry import span
from inventory.model import District


def _interval(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        if policy.every > policy.rpo:
            what = f"protection '{policy.id}': a copy every {span(policy.every)} cannot keep an RPO of "
            yield Finding(("protections", index, "every"), what + span(policy.rpo))


def _retention(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        kept = policy.retention.model_dump()
        negative = [name for name, count in kept.items() if count < 0]
        for name in negative:
            what = f"protection '{policy.id}': {kept[name]} {name} copies"
            yield Finding(("protections", index, "retention", name), what, "at least 0")
        if not any(kept.values()):
            yield Finding(("protections", index, "retention"), f"protection '{policy.id}' keeps no copy")


@needing("sites")
def _places(district: District) -> Iterator[Finding]:
    kinds = {site.id: site.kind for site in district.sites}
    for index, service in enumerate(district.services):
        if service.home == service.standby:
            what = f"service '{service.id}': home and standby are both '{service.home}'"
            yield Finding(("services", index, "standby"), what, "losing one site must not lose the service")
            continue
        for role, kind in (("home", "main"), ("standby", "dr")):
            site = getattr(service, role)
            if kinds.get(site, kind) != kind:
                what = f"service '{service.id}': {role} '{site}' is of kind '{kinds[site]}'"
                good = ", ".join(sorted(name for name, found in kinds.items() if found == kind)) or "none"
                yield Finding(("services", index, role), what, f"sites of kind '{kind}': {good}")


@needing("hosts", "sites")
def _hosts(district: District) -> Iterator[Finding]:
    places = {host.site for host in district.hosts if host.role == "services"}
    known = {site.id for site in district.sites}
    for index, service in enumerate(district.services):
        for role in ("home", "standby"):
            site = getattr(service, role)
            if site in known - places:
                what = f"service '{service.id}': no host of role 'services' at {role} '{site}'"
                yield Finding(("services", index, role), what)


@needing("hosts")
def _controllers(district: District) -> Iterator[Finding]:
    places = {host.site for host in district.hosts if host.role == "controller"}
    for index, site in enumerate(district.sites):
        if site.kind in {"main", "dr"} and site.id not in places:
            what = f"site '{site.id}' has no controller"
            yield Finding(("sites", index), what, "the network is run from the main site and from the DR site")


@needing("sites")
def _kinds(district: District) -> Iterator[Finding]:
    for kind in ("main", "dr"):
        if not any(site.kind == kind for site in district.sites):
            yield Finding(("sites",), f"no site is of kind '{kind}'")


def _shared_data(district: District) -> Iterator[Finding]:
    databases: dict[str, str] = {}
    paths: dict[PurePosixPath, str] = {}
    for index, service in enumerate(district.services):
        for place, source in enumerate(service.data):
            at = ("services", index, "data", place)
            if isinstance(source, Postgres):
                if source.database in databases:
                    what = f"service '{service.id}': database '{source.database}' belongs to "
                    yield Finding((*at, "database"), what + f"service '{databases[source.database]}'")
                databases.setdefault(source.database, service.id)
            elif isinstance(source, Files):
                yield from _shared_path((*at, "path"), service.id, source, paths)


def _shared_path(
    at: tuple[str | int, ...], service: str, source: Files, paths: dict[PurePosixPath, str]
) -> Iterator[Finding]:
    here = PurePosixPath(source.path)
    if ".." in here.parts:
        yield Finding(at, f"service '{service}': path '{source.path}' climbs with '..'")
    for other, owner in paths.items():
        if here == other or here in other.parents or other in here.parents:
            yield Finding(at, f"service '{service}': path '{here}' overlaps '{other}' of service '{owner}'")
    paths.setdefault(here, service)


CHECKS = (
    Check(_interval),
    Check(_retention),
    _places,
    _hosts,
    _controllers,
    _kinds,
    Check(_shared_data),
)
