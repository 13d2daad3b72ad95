"""Approvals: every signer is one person, with keys that are nobody else's, and there are enough of them."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from inventory.check.finding import Check, Finding, needing
from inventory.model import District, Signer
from inventory.source import Step

_HINT = "a line of the person's .pub file: ssh-keygen -t ed25519 makes one"


@needing("settings")
def _persons(district: District) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, signer in enumerate(district.settings.approval.signers):
        if signer.id in seen:
            yield Finding((*_at(place), "id"), f"district: two signers have the id '{signer.id}'")
        seen.add(signer.id)


@needing("settings")
def _keys(district: District) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for at, signer, key in _all_keys(district):
        material = " ".join(key.split()[:2])
        if not _is_key(material):
            yield Finding(at, f"signer '{signer.id}': this is no public ssh key", hint=_HINT)
        elif material in owners:
            yield Finding(
                at, f"signer '{signer.id}': this key is that of '{owners[material]}'", "a key stands for one person"
            )
        else:
            owners[material] = signer.id


@needing("settings")
def _enough(district: District) -> Iterator[Finding]:
    approval = district.settings.approval
    if approval.required > len(approval.signers):
        what = f"district: {approval.required} approvals are required and there are {len(approval.signers)} signers"
        yield Finding(("settings", "approval", "required"), what, "no plan could ever be carried out")


def _at(place: int) -> tuple[Step, ...]:
    return "settings", "approval", "signers", place


def _all_keys(district: District) -> Iterator[tuple[tuple[Step, ...], Signer, str]]:
    for place, signer in enumerate(district.settings.approval.signers):
        for number, key in enumerate(signer.keys):
            yield (*_at(place), "keys", number), signer, key


def _is_key(text: str) -> bool:
    try:
        serialization.load_ssh_public_key(text.encode())
    except UnsupportedAlgorithm:
        return True  # well-formed, of a kind that this library cannot use: ssh-keygen may
    except ValueError:
        return False
    return True


CHECKS: tuple[Check, ...] = (_persons, _keys, _enough)
