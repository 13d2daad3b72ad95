"""The vault: every secret the district refers to, encrypted in the state folder. The only owner of ansible-vault.

``secrets.yaml`` is an ansible-vault file of ``name: text`` lines, ``vault-password`` opens it; both are readable by
their owner only. The public key among the secrets belongs to ``ssh/id_ed25519``, with which netdr logs in.
"""

from __future__ import annotations

import os
import re
import secrets as randomness
import string
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from inventory import source
from inventory.model import District, SecretRef, SecretUse
from netdr.kernel.errors import InventoryError, Problems, unknown
from netdr.kernel.secret import Secret

if TYPE_CHECKING:
    from ansible.parsing.vault import VaultLib

VAULT, PASSWORD, KEY, FINGERPRINT = "secrets.yaml", "vault-password", "ssh/id_ed25519", "fingerprint-key"
_LENGTH = 16  # fits every use: at least 8 for SNMP, at most 16 for OSPF
_ALPHABET = string.ascii_letters + string.digits
# What may stand unquoted on a configuration line of every platform.
_TEXT = re.compile(r"[!-~]+")
_FORBIDDEN = "\"'\\`?"
_PUBLIC_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp[0-9]+) [A-Za-z0-9+/]+=*( [ -~]*)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret the district asks for: the name in the vault and all the uses it must be fit for."""

    name: str
    uses: tuple[SecretUse, ...]


def references(district: District) -> tuple[Reference, ...]:
    """Return every secret a district refers to, each once, sorted by name."""
    found: dict[str, list[SecretUse]] = {}
    for name, use in _walk(district):
        found.setdefault(name, []).append(use)
    return tuple(Reference(name, tuple(uses)) for name, uses in sorted(found.items()))


def load(state: Path, references: Iterable[Reference]) -> Mapping[str, Secret]:
    """Return the referenced secrets by name.

    Raise InventoryError if the vault cannot be opened, Problems naming each secret that is missing, unfit or unknown.
    """
    wanted = {reference.name: reference for reference in references}
    found = _open(state)
    where = str(state / VAULT)
    problems = [
        InventoryError(unknown("secret", name, wanted), where=where, hint="remove it: nothing refers to it")
        for name in found.keys() - wanted.keys()
    ]
    for name, reference in wanted.items():
        if name not in found:
            hint = f"ansible-vault edit --vault-password-file {state / PASSWORD} {where}"
            problems.append(InventoryError(f"secret '{name}' is missing", where=where, hint=hint))
        elif unfit := _unfit(found[name], reference):
            problems.append(InventoryError(f"secret '{name}' is unfit", where=where, why=unfit))
    if problems:
        raise Problems(sorted(problems, key=str))
    return {name: Secret(found[name]) for name in sorted(wanted)}


def create(state: Path, references: Iterable[Reference]) -> None:
    """Make a vault of random secrets, its password and the login key; a password or key that is there is used.

    Nothing is overwritten and the vault is written last, so an interrupted call can be repeated.
    Raise InventoryError if there is a vault already, or if what is there cannot be used.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (state / VAULT).exists():
        raise InventoryError("is already there and is never overwritten", where=str(state / VAULT))
    if not (state / KEY).exists():
        _create_key(state / KEY)
    if not (state / PASSWORD).exists():
        _write_private(state / PASSWORD, _word(32).encode() + b"\n")
    public = _public_key(state / KEY)
    content = {reference.name: _random(reference, public) for reference in references}
    _write_private(state / VAULT, _vault(_password(state)).encrypt(source.dump(content)))


def fingerprint_key(state: Path) -> bytes:
    """Return the state folder's key for fingerprints of secrets, made when it is first asked for."""
    path = state / FINGERPRINT
    if not path.exists():
        # Of two calls at once, the one that comes second takes the key of the first.
        with suppress(FileExistsError):
            _link(path, randomness.token_bytes(32))
    return _read_private(path)


def seal(state: Path, data: bytes) -> bytes:
    """Return data encrypted with the vault's password, so that whoever may open the vault may open it."""
    return bytes(_vault(_password(state)).encrypt(data))


def unseal(state: Path, data: bytes) -> bytes:
    """Return what ``seal`` was given. Raise InventoryError if the password is another or the data is damaged."""
    from ansible.errors import AnsibleError  # noqa: PLC0415 - see _open

    try:
        return bytes(_vault(_password(state)).decrypt(data))
    except AnsibleError:
        why = "it was encrypted with another password, or it is damaged"
        hint = "every controller of a district has the same vault password"
        raise InventoryError("the sealed data does not open", where=str(state / PASSWORD), why=why, hint=hint) from None


def _walk(entry: BaseModel) -> Iterator[tuple[str, SecretUse]]:
    for name, field in type(entry).model_fields.items():
        value = getattr(entry, name)
        if isinstance(value, SecretRef):
            uses = [item for item in field.metadata if isinstance(item, SecretUse)]
            yield value.secret, uses[0] if uses else SecretUse()
            continue
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, BaseModel):
                yield from _walk(item)


def _open(state: Path) -> Mapping[str, str]:
    """Return the vault's content. Raise InventoryError without any of it if it cannot be opened."""
    from ansible.errors import AnsibleError  # noqa: PLC0415 - half a second that most commands need not pay

    path = state / VAULT
    if not path.exists():
        raise InventoryError("there is no vault", where=str(path), hint="netdr secrets create")
    password = _password(state)
    try:
        text = _vault(password).decrypt(path.read_bytes()).decode()
    except (AnsibleError, UnicodeDecodeError):
        why, hint = "wrong password or damaged file", f"{state / PASSWORD} must hold the password it was encrypted with"
        raise InventoryError("the vault does not open", where=str(path), why=why, hint=hint) from None
    try:
        value = source.parse(path, text).value
    except Problems as error:
        # The parser's words may quote the text: only the place is told.
        places = ", ".join(problem.where for problem in error.problems)
        raise InventoryError("the vault's content is not valid YAML", where=places) from None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InventoryError("the vault's content is not a mapping from names to texts", where=str(path))
    return value


def _password(state: Path) -> str:
    return _read_private(state / PASSWORD).decode(errors="replace").strip()


def _vault(password: str) -> VaultLib:
    from ansible.parsing.vault import VaultLib, VaultSecret  # noqa: PLC0415 - see _open

    return VaultLib([("default", VaultSecret(password.encode()))])


def _unfit(value: str, reference: Reference) -> str:
    """Return why a value does not serve one of its uses, an empty text if it serves all. Never quotes the value."""
    for use in reference.uses:
        if use.public_key and not _PUBLIC_KEY.fullmatch(value):
            return "an OpenSSH public key on one line is needed"
        if not use.public_key and (not _TEXT.fullmatch(value) or set(value) & set(_FORBIDDEN)):
            return f"only visible ASCII characters other than {_FORBIDDEN} go on a configuration line"
        if not use.least <= len(value) <= use.most:
            return f"it has {len(value)} characters, its use needs {use.least} to {use.most}"
    return ""


def _random(reference: Reference, public_key: str) -> str:
    return public_key if any(use.public_key for use in reference.uses) else _word(_LENGTH)


def _word(length: int) -> str:
    return "".join(randomness.choice(_ALPHABET) for _ in range(length))


def _create_key(path: Path) -> None:
    form, nothing = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    private = Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, form, nothing)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _write_private(path, private)


def _public_key(path: Path) -> str:
    """Return the public half of a login key on one line. Raise InventoryError if the key cannot be used."""
    try:
        key = serialization.load_ssh_private_key(_read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "is not an OpenSSH private key without a passphrase"
        raise InventoryError(what, where=str(path), hint="netdr logs in unattended: ssh-keygen -t ed25519") from None
    form = serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode() + " netdr"


def _write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read. Raise InventoryError if it exists or cannot be written."""
    try:
        _link(path, data)
    except OSError as error:
        raise InventoryError("cannot be written", where=str(path), why=error.strerror or str(error)) from None


def _link(path: Path, data: bytes) -> None:
    """Make a private file that is there as a whole or not at all. Raise FileExistsError if there is one already."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    finally:
        Path(name).unlink()


def _read_private(path: Path) -> bytes:
    """Return a file's bytes. Raise InventoryError if it cannot be read or others than its owner can read it."""
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            what = f"mode {mode:04o} lets others than the owner in"
            raise InventoryError(what, where=str(path), hint=f"chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise InventoryError("cannot be read", where=str(path), why=error.strerror or str(error)) from None
