"""Put together what a lab is built from: day-0 files, the device's program, a controller's state, fresh host keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import netdr
from inventory import placement
from inventory import secrets as vault
from lab.files import File
from lab.keys import host_key
from lab.model import LabPlan
from lab.plan import Supplies, lab_plan
from netdr.cli.context import Context
from nornir_tasks import render
from nornir_tasks.drivers import linux_device

# What a controller finds in its state folder; the rest of ours (plans, reports) is not its business.
_STATE = (vault.VAULT, vault.PASSWORD, vault.KEY, vault.FINGERPRINT, placement.FILE)


def plan(context: Context, name: str) -> LabPlan:
    """Return the plan of the lab ``name`` of the context's district.

    A district without a vault gets one with throw-away secrets. Raise Problems or InventoryError if the inventory, the
    vault or a template does not allow it.
    """
    network = context.network
    if not (context.state / vault.VAULT).exists():
        # A lab needs no real secrets, and a newcomer has none.
        vault.create(context.state, vault.references(network.district))
    secrets = context.secrets
    management, uplink = network.district.settings.management, network.district.uplink
    checkout = Path(netdr.__file__).resolve().parents[1]
    inventory, state = context.inventory.resolve(), context.state.resolve()
    shares = _outermost([checkout, inventory, Path(sys.prefix), Path(sys.base_prefix)])
    supplies = Supplies(
        day0={device.id: day0(render.day0(network, device.id, secrets)) for device in network.devices},
        program=Path(linux_device.__file__).read_text(encoding="utf-8"),
        public_key=secrets[management.authorized_key.secret].reveal(),
        city_key=secrets[uplink.key.secret],
        host_keys={node.id: host_key() for node in network.nodes.values() if node.kind != "external"},
        state=dict(_state(state, management.account)),
        checkout=str(checkout),
        inventory=str(inventory),
        venv=sys.prefix,
        shares=tuple(str(path) for path in shares if not path.is_relative_to("/usr")),
        hidden=(str(state),),
    )
    return lab_plan(network, supplies, name)


def day0(text: str) -> Mapping[str, File]:
    """Given a device's configuration text, return its files by path."""
    return {item.path: File(item.content, int(item.mode, 8), item.owner) for item in linux_device.parse(text)}


def _state(folder: Path, account: str) -> Iterator[tuple[str, File]]:
    for name in _STATE:
        path = folder / name
        if path.exists():
            # The account owns it, so that the exporter can read it without being root.
            yield name, File(path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777, f"{account}:{account}")


def _outermost(paths: list[Path]) -> list[Path]:
    """Return the paths without those that lie in another of them."""
    return sorted({path for path in paths if not any(path != other and path.is_relative_to(other) for other in paths)})
