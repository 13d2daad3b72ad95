"""One node: give it power, boot it, take its power away, and the way in."""

from __future__ import annotations

import os
from pathlib import Path

from lab.commands import run
from lab.model import BOOT, LabNode, Topology
from lab.parallel import each
from lab.processes import in_namespaces, kill
from lab.state import disks, namespace, pid_file
from lab.wiring import NAMESPACES, wipe
from netdr.kernel.errors import LabError

_INIT = Path(__file__).parent / "boot" / "init.sh"
# Process 1 is the first child of the shell in the new PID namespace; the shell ends and process 1 goes on.
_START = 'sh "$@" 3>"$pidfile" &'
_BOOT_LIMIT_S = 60.0
# Of the caller's environment a node sees the terminal and the language, nothing else.
_KEPT = ("TERM", "LANG", "LC_ALL", "LC_MESSAGES")


def boot(topology: Topology, name: str) -> None:
    """Give a node power and run its boot. Raise LabError with the words of what failed."""
    power_on(topology, name)
    run_script(topology, name, BOOT)


def power_on(topology: Topology, name: str) -> None:
    """Start a node's process 1 in namespaces of its own. Raise LabError with its words if it does not get ready.

    Process 1 holds our end of its output until it is ready, so the call returns then.
    """
    lab = topology.lab
    pid = pid_file(lab, name)
    pid.unlink(missing_ok=True)
    start = ["sh", "-c", f"pidfile={pid}; {_START}", "sh", str(_INIT), str(disks(lab)), name, topology.node(name).kind]
    network = f"--net={NAMESPACES / namespace(lab, name)}"
    done = run(["nsenter", network, "unshare", "--mount", "--pid", "--uts", "--ipc", *start])
    if not has_power(lab, topology.node(name)):
        raise LabError("the node did not start", where=name, why=done.stderr.strip())


def power_off(topology: Topology, names: tuple[str, ...]) -> None:
    """Take the power of nodes at the same moment: their processes die at once, then what their network knew is gone."""
    lab = topology.lab
    kill(in_namespaces([namespace(lab, name) for name in names]))
    for name in names:
        pid_file(lab, name).unlink(missing_ok=True)
    each(names, lambda name: wipe(lab, name, topology.ports_of(name)))


def enter(topology: Topology, name: str) -> list[str]:
    """Return the argv prefix that runs a command inside a node. Raise LabError if it is unknown or has no power."""
    node = topology.node(name)
    pid = _process_1(topology.lab, node)
    namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", f"--wdns={node.folder}"]
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    variables = [f"{key}={value}" for key, value in {**kept, **node.environment}.items()]
    return ["nsenter", f"--target={pid}", *namespaces, "--", "env", "--ignore-environment", *variables]


def has_power(lab: str, node: LabNode) -> bool:
    """Return whether a node's process 1 is there."""
    try:
        return _process_1(lab, node) > 0
    except LabError:
        return False


def _process_1(lab: str, node: LabNode) -> int:
    try:
        pid = int(pid_file(lab, node.id).read_text(encoding="ascii"))
        own = Path(f"/proc/{pid}/ns/net").stat().st_ino == (NAMESPACES / namespace(lab, node.id)).stat().st_ino
    except (OSError, ValueError):
        own = False
    if not own:
        raise LabError(f"the node {node.id} has no power", hint=f"netdr lab heal {node.id}")
    return pid


def run_script(topology: Topology, name: str, script: str) -> None:
    """Run a script of the node's disk inside it. Raise LabError with its words if it fails."""
    done = run([*enter(topology, name), script], limit_s=_BOOT_LIMIT_S, check=False)
    if done.returncode != 0:
        why = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"{script} failed", where=name, why=why)


def memory_files(lab: str, name: str) -> int:
    """Return the bytes that a node's in-memory file systems hold."""
    try:
        root = Path("/proc") / pid_file(lab, name).read_text(encoding="ascii").strip() / "root"
        found = [os.statvfs(root / folder) for folder in ("run", "tmp", "dev/shm")]
    except OSError:
        return 0
    return sum((usage.f_blocks - usage.f_bfree) * usage.f_frsize for usage in found)
