"""Level 3: what serves the data starts from what was restored, in a bubble, on its real ports.

A service is started by the very program that would start it in earnest, ``/etc/netdr/services/<id>``: it finds the
restored files at their own paths and the restored databases on the server's usual socket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from backup import postgres, restored, source
from backup.bubble import Bubble
from backup.guard import fence
from backup.host import Result
from backup.postgres import Cluster
from backup.throwaway import listening
from inventory.asset import Files, Postgres
from netdr.kernel.errors import BackupError, ProofError

# Seconds that a service may take to start; the lab's take one.
START = 120.0
QUICK = 30.0
# A timer's umask is closed (backup.timers); services expect the one of a login, which is what a failover gives them.
_OPENLY = ("sh", "-c", 'umask 022; exec "$0" "$@"')


def places(data: Sequence[object], folder: Path) -> Mapping[Path, Path]:
    """Return, for each directory tree among the sources ``data``, where below ``folder`` its restored copy lies."""
    return {Path(one.path): source.files_folder(folder, one) for one in data if isinstance(one, Files)}


def load(cluster: Cluster, databases: Sequence[Postgres], folder: Path) -> None:
    """Restore the dumps below ``folder`` into an empty cluster. Raise ProofError, naming the database, if one fails."""
    for one in databases:
        lies = source.database_folder(folder, one)
        try:
            roles = (lies / postgres.ROLES).read_text(encoding="utf-8")
            cluster.restore(lies / postgres.DUMP, roles, restored.LIMIT)
            fence.lift(cluster, [one.database])
        except (BackupError, OSError) as error:
            what = f"the database '{one.database}' cannot be restored from the dump"
            where, why = (error.where, error.why) if isinstance(error, BackupError) else (str(lies), str(error))
            raise ProofError(what, where=where, why=why, hint="verify an older snapshot (--snapshot ID)") from error


def start(bubble: Bubble, program: Path, ports: Sequence[int]) -> Mapping[str, object]:
    """Start a service in the bubble and return ``program``, ``address`` (its own, on ``lo``), ``ports`` it listens on.

    Raise ProofError if there is no such program, it fails, it says afterwards that it does not serve, or one of its
    ports is silent.
    """
    if not program.is_file():
        hint = "put there what starts the service at this site: a failover needs it too"
        raise ProofError("the service's program is not on this host", where=str(program), hint=hint)
    for verb, limit in (("start", START), ("status", QUICK)):
        got = bubble.run([*_OPENLY, str(program), verb], limit=limit)
        if got.code != 0:
            what = "the service does not start from the restored data"
            hint = f"verify an older snapshot (--snapshot ID); is {program} right for this host?"
            raise ProofError(what, where=str(program), why=f"{verb}: {_problem(got)}", hint=hint)
    silent = [port for port in ports if not bubble.run(listening(port), limit=QUICK).out.strip()]
    if silent:
        raise ProofError("the started service does not listen", where=str(program), why=f"TCP ports {silent}")
    return {"program": str(program), "address": address(bubble), "ports": list(ports)}


def address(bubble: Bubble) -> str:
    """Return the address that a service has put on ``lo``: its own. Where it has put none, that of ``lo`` itself."""
    shown = json.loads(bubble.run(["ip", "-json", "-4", "address", "show", "dev", "lo"], limit=QUICK).out or "[]")
    found = [one["local"] for link in shown for one in link["addr_info"]]
    return next((one for one in found if not one.startswith("127.")), "127.0.0.1")


def tcp_ports(ports: Sequence[str]) -> tuple[int, ...]:
    """Return the TCP ports among a service's ports."""
    return tuple(int(port.removeprefix("tcp/")) for port in ports if port.startswith("tcp/"))


def _problem(got: Result) -> str:
    """Return what a service's program says is wrong: its status is one JSON object."""
    try:
        return str(json.loads(got.out)["problem"])
    except (ValueError, LookupError, TypeError):
        return got.last_words
