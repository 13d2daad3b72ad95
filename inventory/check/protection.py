"""Services and other assets, where they are, and what they are promised."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import PurePosixPath

from inventory.asset import Asset, Copy, Devices, Files, NetdrState, Postgres, Protection, RateLimit, Vault
from inventory.check.finding import Check, Finding, needing
from inventory.entry import span
from inventory.model import District


def _interval(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        users = [asset for asset in district.protected if asset.protection == policy.id]
        streamed = policy.stream and all(isinstance(one, Postgres) for asset in users for one in asset.data)
        if policy.every > policy.rpo and not (users and streamed):
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


def _copies(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        for place in ("home", "standby"):
            count = sum(copy.at == place for copy in policy.copies)
            if count != 1:
                what = f"protection '{policy.id}': {count} copies at {place}"
                yield Finding(("protections", index, "copies"), what, "netdr keeps one there", f"at: {place}, once")
        for number, copy in enumerate(policy.copies):
            if (copy.at == "offline") != (copy.every is not None):
                what = f"protection '{policy.id}': a copy at {copy.at} " + ("without" if copy.every is None else "with")
                why = "an offline copy is carried every so often, the others follow each run"
                yield Finding(("protections", index, "copies", number), f"{what} 'every'", why)


def _proof(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        proof = policy.proof
        if proof.read_within < proof.every:
            what = f"protection '{policy.id}': read_within {span(proof.read_within)} is shorter than proof.every "
            why = "each proof reads its share of the bytes"
            yield Finding(("protections", index, "proof", "read_within"), what + span(proof.every), why)


def _drill(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        if policy.drill and policy.drill.every <= policy.rto:
            what = (
                f"protection '{policy.id}': a drill every {span(policy.drill.every)} begins before the last has ended"
            )
            why = f"it may take as long as a recovery: rto is {span(policy.rto)}"
            yield Finding(("protections", index, "drill", "every"), what, why)


def _limits(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        for number, limit in enumerate(policy.limits):
            at = ("protections", index, "limits", number)
            if limit.start == limit.end:
                yield Finding(at, f"protection '{policy.id}': a limit from {limit.start} to {limit.end} has no end")
            if limit.upload is None and limit.download is None:
                yield Finding(at, f"protection '{policy.id}': a limit of nothing", hint="upload or download: a rate")
        for one, other in combinations(policy.limits, 2):
            if minutes(one) & minutes(other):
                what = f"protection '{policy.id}': the limits from {one.start} and from {other.start} overlap"
                yield Finding(("protections", index, "limits"), what)


def minutes(limit: RateLimit) -> frozenset[int]:
    """Return the minutes of the day, 0 to 1439, in which a limit holds."""
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (limit.start, limit.end))
    return frozenset(minute % 1440 for minute in range(start, end if end >= start else end + 1440))


def shortfalls(policy: Protection) -> tuple[str, ...]:
    """Return what a policy lacks of 3-2-1-1-0, in words; the data itself is the first copy, on a disk at home.

    Three copies, two media, one off site, one immutable or offline, zero unproven (veeam.com, "3-2-1-1-0 backup rule").
    """
    copies = (Copy(at="home", media="disk"), *policy.copies)
    media = sorted({copy.media for copy in copies})
    counted = (
        (len(copies) >= 3, f"{len(copies)} copies of 3"),
        (len(media) >= 2, f"{len(media)} medium of 2 ({', '.join(media)})"),
        (any(copy.at != "home" for copy in copies), "no copy off site"),
        (any(copy.immutable or copy.at == "offline" for copy in copies), "no copy immutable or offline"),
        (policy.proof.depth != "v1", "restores are never proven (proof.depth v1 reads bytes only)"),
    )
    return tuple(words for good, words in counted if not good)


def _rule(district: District) -> Iterator[Finding]:
    for index, policy in enumerate(district.protections):
        if lacks := shortfalls(policy):
            what = f"protection '{policy.id}' falls short of 3-2-1-1-0: {'; '.join(lacks)}"
            yield Finding(("protections", index, "copies"), what)


@needing("sites")
def _places(district: District) -> Iterator[Finding]:
    kinds = {site.id: site.kind for site in district.sites}
    for field, index, noun, asset in _assets(district):
        if asset.home == asset.standby:
            what = f"{noun} '{asset.id}': home and standby are both '{asset.home}'"
            yield Finding((field, index, "standby"), what, "losing one site must not lose it")
            continue
        for role, kind in (("home", "main"), ("standby", "dr")):
            site = getattr(asset, role)
            if kinds.get(site, kind) != kind:
                what = f"{noun} '{asset.id}': {role} '{site}' is of kind '{kinds[site]}'"
                good = ", ".join(sorted(name for name, found in kinds.items() if found == kind)) or "none"
                yield Finding((field, index, role), what, f"sites of kind '{kind}': {good}")


@needing("hosts", "sites")
def _hosts(district: District) -> Iterator[Finding]:
    places = {(host.site, host.role) for host in district.hosts}
    known = {site.id for site in district.sites}
    for field, index, noun, asset in _assets(district):
        # Copies are on a services host, whatever holds the data at home.
        for role, kind in (("home", asset.on), ("standby", "services")):
            site = getattr(asset, role)
            if site in known and (site, kind) not in places:
                what = f"{noun} '{asset.id}': no host of role '{kind}' at {role} '{site}'"
                yield Finding((field, index, role), what)


def _assets(district: District) -> Iterator[tuple[str, int, str, Asset]]:
    for index, service in enumerate(district.services):
        yield "services", index, "service", service
    for index, asset in enumerate(district.assets):
        yield "assets", index, "asset", asset


def _controllers_data(district: District) -> Iterator[Finding]:
    for field, index, noun, asset in _assets(district):
        for place, source in enumerate(asset.data):
            if isinstance(source, NetdrState | Devices | Vault) and asset.on != "controller":
                what = f"{noun} '{asset.id}': data of kind '{source.kind}' is on a controller only"
                yield Finding((field, index, "data", place), what, hint="an asset with on: controller")


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
    for field, index, noun, asset in _assets(district):
        owner = f"{noun} '{asset.id}'"
        for place, source in enumerate(asset.data):
            at = (field, index, "data", place)
            if isinstance(source, Postgres):
                if source.database in databases:
                    what = f"{owner}: database '{source.database}' belongs to {databases[source.database]}"
                    yield Finding((*at, "database"), what)
                databases.setdefault(source.database, owner)
            elif isinstance(source, Files):
                yield from _shared_path((*at, "path"), owner, source, paths)


def _shared_path(
    at: tuple[str | int, ...], owner: str, source: Files, paths: dict[PurePosixPath, str]
) -> Iterator[Finding]:
    here = PurePosixPath(source.path)
    if ".." in here.parts:
        yield Finding(at, f"{owner}: path '{source.path}' climbs with '..'")
    for other, other_owner in paths.items():
        if here == other or here in other.parents or other in here.parents:
            yield Finding(at, f"{owner}: path '{here}' overlaps '{other}' of {other_owner}")
    paths.setdefault(here, owner)


CHECKS = (
    Check(_interval),
    Check(_retention),
    Check(_copies),
    Check(_proof),
    Check(_drill),
    Check(_limits),
    Check(_controllers_data),
    _places,
    _hosts,
    _controllers,
    _kinds,
    Check(_shared_data),
)
WARNINGS = (Check(_rule),)
