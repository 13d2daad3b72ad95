"""Approval of a plan by a second person: detached ssh signatures beside its file, checked by ssh-keygen.

What is signed is the bytes of the file: ``ssh-keygen -Y sign -n netdr-plan -f KEY plan.json`` writes ``plan.json.sig``.
With several signers each keeps theirs as ``plan.json.NAME.sig``. Who may sign is data of the inventory
(``approval`` in district.yaml).
"""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from inventory.model import Signer
from inventory.network import Network
from netdr.kernel.errors import MissingError, RefusedError, UsageError
from nornir_tasks import plan as plans
from nornir_tasks.plan import Plan

NAMESPACE = "netdr-plan"
# In seconds. ssh-keygen answers in milliseconds.
_LIMIT = 10


@dataclass(frozen=True, slots=True)
class Approver:
    """A person who has signed a plan, and the file of the signature."""

    id: str
    name: str
    signature: Path


@dataclass(frozen=True, slots=True)
class Approvals:
    """What the signatures beside a plan's file amount to. ``rejected`` says why, by file."""

    required: int
    approvers: tuple[Approver, ...]
    rejected: Mapping[Path, str]

    @property
    def complete(self) -> bool:
        """Whether there are as many as are required."""
        return len(self.approvers) >= self.required


def author(environment: Mapping[str, str] = os.environ) -> str:
    """Return who makes a plan, as ``user@machine``: whoever became root by sudo is known by their own name."""
    return f"{environment.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def approvals(network: Network, plan: Plan, file: Path) -> Approvals:
    """Return who has approved the plan of a file. Raise MissingError if there are signatures and no ssh-keygen.

    Each person counts once, and the author not at all: the signer whose id is the user of ``plan.author``.
    """
    return _approvals(network, plan, file, _read(file))


def _approvals(network: Network, plan: Plan, file: Path, data: bytes) -> Approvals:
    signers = {signer.id: signer for signer in network.district.settings.approval.signers}
    found: dict[str, Approver] = {}
    rejected: dict[Path, str] = {}
    with tempfile.TemporaryDirectory(prefix="netdr-approval-") as folder:
        allowed = Path(folder) / "allowed_signers"
        allowed.write_text("".join(_allowed(signers.values())), encoding="utf-8")
        for signature in signatures(file):
            signer = signers.get(_principal(allowed, signature, data))
            if signer is None:
                rejected[signature] = "not the signature of a signer over this very file"
            elif signer.id == plan.author.partition("@")[0]:
                rejected[signature] = f"{signer.name} made the plan: somebody else must approve it"
            else:
                found.setdefault(signer.id, Approver(signer.id, signer.name, signature))
    return Approvals(network.district.settings.approval.required, tuple(found.values()), rejected)


def signatures(file: Path) -> tuple[Path, ...]:
    """Return the files beside a plan's that hold signatures of it: ``FILE.sig`` and ``FILE.NAME.sig``."""
    return tuple(sorted(path for path in file.parent.glob("*.sig") if path.name.startswith(f"{file.name}.")))


def demand(network: Network, plan: Plan, file: Path | None) -> tuple[Approver, ...]:
    """Return who has approved a plan that is about to be carried out; nobody, if nobody needs to.

    Raise UsageError if approvals are required and the plan is not, whole, that of the file (more checks may be added),
    RefusedError if too few people have signed it.
    """
    required = network.district.settings.approval.required
    if not required:
        return ()
    if file is None:
        what = f"a change needs {_count(required)}, so it needs a plan that was signed"
        raise UsageError(what, hint=f"netdr plan --out plan.json, then {_command(Path('plan.json'))}")
    # Read once: what is checked is what is compared.
    data = _read(file)
    written = plans.parse(data.decode(errors="replace"), str(file))
    if _essence(plan) != _essence(written) or not set(written.checks) <= set(plan.checks):
        hint = "carry it out whole, or make a smaller plan and let that be approved"
        raise UsageError("what was approved is another plan than this one", where=str(file), hint=hint)
    found = _approvals(network, plan, file, data)
    if not found.complete:
        raise RefusedError(
            f"{_count(required)} needed, {len(found.approvers)} there",
            where=str(file),
            why="; ".join(f"{path.name}: {why}" for path, why in found.rejected.items()),
            hint=_how(network, plan, found, file),
        )
    return found.approvers


def _essence(plan: Plan) -> Plan:
    return replace(plan, checks=())


def _count(number: int) -> str:
    return f"{number} approval{'s' * (number != 1)}"


def _command(file: Path) -> str:
    return f"ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519 {file}"


def _how(network: Network, plan: Plan, found: Approvals, file: Path) -> str:
    """Return what is to be done: by whom, and with which command."""
    done = {approver.id for approver in found.approvers} | {plan.author.partition("@")[0]}
    people = [f"{one.name} ({one.id})" for one in network.district.settings.approval.signers if one.id not in done]
    first = f"mv {file}.sig {file}.{found.approvers[0].id}.sig; then " if found.approvers else ""
    return f"to be signed by {' or '.join(people) or 'somebody who is no signer yet'}: {first}{_command(file)}"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError("the plan cannot be read", where=str(file), why=error.strerror or str(error)) from error


def _allowed(signers: Iterable[Signer]) -> Iterator[str]:
    """Yield the lines of an allowed-signers file (ssh-keygen(1), ALLOWED SIGNERS)."""
    for signer in signers:
        for key in signer.keys:
            yield f'{signer.id} namespaces="{NAMESPACE}" {" ".join(key.split()[:2])}\n'


def _principal(allowed: Path, signature: Path, data: bytes) -> str:
    """Return the id of the signer whose signature over ``data`` a file holds, empty if it is nobody's."""
    found = _ssh_keygen("find-principals", "-f", str(allowed), "-s", str(signature)).split()
    for identity in found:
        options = ("-f", str(allowed), "-I", identity, "-n", NAMESPACE, "-s", str(signature))
        if _ssh_keygen("verify", *options, data=data):
            return identity
    return ""


def _ssh_keygen(verb: str, *options: str, data: bytes = b"") -> str:
    """Return what ssh-keygen says, empty if it says no. Raise MissingError if there is none or it hangs."""
    try:
        done = subprocess.run(
            ["ssh-keygen", "-Y", verb, *options], input=data, capture_output=True, timeout=_LIMIT, check=False
        )
    except FileNotFoundError as error:
        raise MissingError("ssh-keygen is not there", hint="apt-get install openssh-client (8.2 or newer)") from error
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"ssh-keygen did not answer within {_LIMIT} s") from error
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
