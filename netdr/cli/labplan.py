"""Put together what a lab is built from: day-0 files, the device's program, a controller's state, fresh host keys."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import netdr
from inventory import placement
from inventory import secrets as vault
from lab import disk
from lab.files import File
from lab.keys import host_key
from lab.model import LabPlan
from lab.plan import Supplies, lab_plan
from lab.twin import Present, twin
from netdr.cli.context import Context
from nornir_tasks import render
from nornir_tasks.drivers import linux_device
from nornir_tasks.plan import Plan, dump

# What a controller finds in its state folder. The rest of ours (plans, reports) is not its business.
_STATE = (vault.VAULT, vault.PASSWORD, vault.KEY, placement.FILE)


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
    day0 = {device.id: files(render.day0(network, device.id, secrets)) for device in network.devices}
    public_key = secrets[network.district.settings.management.authorized_key.secret].reveal()
    return lab_plan(network, supplies(context, day0, public_key, state(context, _STATE)), name)


def supplies(
    context: Context, day0: Mapping[str, Mapping[str, File]], public_key: str, found: Mapping[str, File]
) -> Supplies:
    """Return what a lab of the context's district is made from.

    ``day0`` has each device's files, ``public_key`` opens the management account, ``found`` is what a controller finds
    in its state folder.
    """
    network, own = context.network, context.state.resolve()
    checkout = Path(netdr.__file__).resolve().parents[1]
    inventory = context.inventory.resolve()
    shares = _outermost([checkout, inventory, Path(sys.prefix), Path(sys.base_prefix)])
    return Supplies(
        day0=day0,
        program=Path(linux_device.__file__).read_text(encoding="utf-8"),
        public_key=public_key,
        city_key=context.secrets[network.district.uplink.key.secret],
        host_keys={node.id: host_key() for node in network.nodes.values() if node.kind != "external"},
        state=found,
        checkout=str(checkout),
        inventory=str(inventory),
        venv=sys.prefix,
        shares=tuple(str(path) for path in shares if not path.is_relative_to("/usr")),
        # What no node sees of this machine anyway need not be hidden, and may be a controller's own state.
        hidden=() if any(own.is_relative_to(folder) for folder in disk.FRESH) else (str(own),),
    )


def twin_plan(context: Context, name: str, change: Plan, running: Mapping[str, str]) -> LabPlan:
    """Return the plan of the lab ``name`` whose devices run the texts ``running``; its controllers have the plan.

    They log in with a key of the twin's own and read the district's secrets, which the configurations are made with.
    """
    key = host_key()
    account = context.network.district.settings.management.account
    found = {
        **state(context, (vault.VAULT, vault.PASSWORD, placement.FILE)),
        vault.KEY: File(key.private.reveal(), 0o600, f"{account}:{account}"),
        f"plans/{change.id}.json": File(dump(change), 0o600),
    }
    present = {device: files(text) for device, text in running.items()}
    made = lab_plan(context.network, supplies(context, present, key.public, found), name)
    return twin(made, context.network, Present(linux_device.OWNED, key.public, change.placement))


def files(text: str) -> Mapping[str, File]:
    """Given a device's configuration text, return its files by path."""
    return {item.path: File(item.content, int(item.mode, 8), item.owner) for item in linux_device.parse(text)}


def state(context: Context, names: Iterable[str]) -> Mapping[str, File]:
    """Return the files of our state folder that are there, of the given names, as a controller of a lab has them."""
    account = context.network.district.settings.management.account
    paths = {name: context.state / name for name in names}
    # The account owns them, so that the exporter can read them without being root.
    return {
        name: File(path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777, f"{account}:{account}")
        for name, path in paths.items()
        if path.exists()
    }


def _outermost(paths: list[Path]) -> list[Path]:
    """Return the paths without those that lie in another of them."""
    return sorted({path for path in paths if not any(path != other and path.is_relative_to(other) for other in paths)})
