"""Rendering 42 and 10,000 devices against Jinja used by hand, with the same templates, intents and secrets.

*one jinja2 environment*: a loop over devices and templates with an environment that lasts, the least that Jinja takes.
*jinja2 per device*: an environment for each device, as a task that renders one device's templates does; 42 devices
only, because it compiles every template again for each of them.

Both must come out as the same texts. 42 devices are the example district with one more unit; 10,000 are the same
district with as many units as it takes, a pair of aggregation devices for every 100 of them, and wider pools.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from measure import OURS, Comparison, comparisons, interleaved, options, show, timed

from inventory import load, platforms
from inventory import secrets as vault
from inventory.addressing import allocate
from inventory.intent import device_intent
from inventory.model import AddressPlan, Device, District, Link, Unit
from inventory.network import Network, Node
from inventory.placement import home
from netdr.kernel.secret import Secret
from nornir_tasks import render, snmp_keys

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "./run bench render"
UNITS_PER_PAIR = 100

Texts = Mapping[str, str]
Environments = Callable[[str], Environment]


def district(devices: int) -> District:
    """Return the example district with as many units and aggregation devices as it takes to have ``devices``."""
    base = load.district(ROOT / "inventory/suxian")
    pairs = (devices - len(base.devices)) // (UNITS_PER_PAIR + 2)
    added = [device for number in range(pairs) for device in _pair(base, number)]
    links = [Link(ends=(core.id, device.id)) for device in added for core in base.devices if core.role == "core"]
    count = devices - len(base.devices) - len(added)
    user_zones = [zone.id for zone in base.zones if zone.kind == "user"]
    plan = {
        "loopbacks": "10.1.0.0/16",
        "links": "10.32.0.0/14",
        "services": str(base.settings.addresses.services),
        "zones": {zone: f"10.{128 + 32 * number}.0.0/11" for number, zone in enumerate(user_zones)},
    }
    addresses = AddressPlan.model_validate(plan)
    return base.model_copy(
        update={
            "devices": (*base.devices, *added),
            "links": (*base.links, *links),
            "units": tuple(_unit(base, number, pairs) for number in range(count)),
            "settings": base.settings.model_copy(update={"addresses": addresses}),
        }
    )


def _pair(base: District, number: int) -> tuple[Device, ...]:
    """Return one aggregation device at each aggregation site."""
    sites = [site.id for site in base.sites if site.kind == "aggregation"]
    return tuple(
        Device(id=f"agg-{number}-{site}", site=site, role="aggregation", platform=base.devices[0].platform)
        for site in sites[:2]
    )


def _unit(base: District, number: int, pairs: int) -> Unit:
    """Return a unit like one of the example's, behind one of the added pairs if there are any."""
    like = base.units[number % len(base.units)]
    uplinks = tuple(device.id for device in _pair(base, number % pairs)) if pairs else like.uplinks
    return like.model_copy(update={"id": f"unit-{number}", "uplinks": uplinks})


class ByHand:
    """The peer: Jinja driven by a loop. ``environments`` returns the environment to use for a platform."""

    def __init__(self, network: Network, placement: Mapping[str, str], secrets: Mapping[str, Secret]) -> None:
        self._network, self._placement, self._secrets = network, placement, secrets

    def render(self, environments: Environments) -> Texts:
        """Return what every device should say."""
        return {node.id: self._device(environments(node.platform), node) for node in self._network.devices}

    def _device(self, environment: Environment, node: Node) -> str:
        intent = device_intent(self._network, node.id, self._placement)
        spec = platforms.platform(node.platform)
        texts: dict[str, str] = {}
        for feature in platforms.roles().features(node.role):
            path = spec.file_of[feature]
            texts[path] = texts.get(path, "") + environment.get_template(f"{feature}.j2").render(device=intent)
        return "".join(
            f"#: file {path} mode={spec.files[path].mode} owner={spec.files[path].owner}\n{texts[path]}"
            for path in sorted(texts)
            if texts[path].strip()
        )

    def environment(self, platform: str) -> Environment:
        """Return a new environment for a platform's templates."""
        environment = Environment(  # noqa: S701 - not HTML
            loader=FileSystemLoader(ROOT / "templates" / platform),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters["secret"] = self._secret
        environment.filters["localized"] = self._localized
        return environment

    def _secret(self, name: str, longest: int = 0) -> str:  # noqa: ARG002 - the templates' call
        return self._secrets[name].reveal()

    def _localized(self, name: str, protocol: str, engine: bytes, octets: int | None = None) -> str:
        return snmp_keys.localized(protocol, self._secret(name), engine)[:octets].hex()


def compare(devices: int, runs: int, *, per_device: bool) -> list[Comparison]:
    """Return the comparisons for so many devices. Raise SystemExit if ours and a peer's texts differ."""
    found = district(devices)
    network, placement = Network.of(found, allocate(found)), home(found).active
    secrets = {each.name: Secret("0123456789abcdef") for each in vault.references(found)}
    peer = ByHand(network, placement, secrets)
    lasting = {name: peer.environment(name) for name in {node.platform for node in network.devices}}
    ways: dict[str, Callable[[], Texts]] = {
        OURS: lambda: render.render_all(network, placement, secrets),
        "one jinja2 environment": lambda: peer.render(lasting.__getitem__),
    }
    if per_device:
        ways["jinja2 per device"] = lambda: peer.render(peer.environment)
    same = Same(f"{devices:,} devices")
    works = {way: (lambda way=way, texts=texts: same.timed(way, texts)) for way, texts in ways.items()}
    return comparisons(f"render {devices:,} devices", COMMAND, interleaved(works, runs))


class Same:
    """Times renderings and holds that all of them say the same."""

    def __init__(self, what: str) -> None:
        self._what, self._seen = what, set[int]()

    def timed(self, way: str, texts: Callable[[], Texts]) -> float:
        """Return the seconds of a rendering. Raise SystemExit if it does not say what those before it said."""
        sys.stderr.write(f"{self._what}, {way} … ")
        gc.collect()  # no call is to pay for what those before it have left
        found: list[Texts] = []
        seconds = timed(lambda: found.append(texts()))
        self._seen.add(hash(tuple(sorted(found[0].items()))))
        sys.stderr.write(f"{seconds:.2f} s\n")
        if len(self._seen) > 1:
            raise SystemExit(f"bench: {way} renders other texts")
        return seconds


if __name__ == "__main__":
    asked = options(__doc__.partition("\n")[0], runs=3)
    found = compare(42, asked.runs, per_device=True) + compare(10_000, asked.runs, per_device=False)
    show(found, as_json=asked.json)
