"""Who imports what, where import-linter's contracts cannot say it."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("netdr", "inventory", "nornir_tasks", "monitoring", "backup", "lab")

# Programs are run by these only, each for its reason; everyone else asks them.
RUNS_PROGRAMS = {
    "backup/bubble.py": "the isolated place where a restored service is started",
    "backup/host.py": "programs of a host, here or over ssh: the Shell that everyone in backup/ is given",
    "backup/server.py": "the backup server, which outlives the command that starts it",
    "inventory/revision.py": "git, for the name of an inventory's state",
    "lab/apps/service.py": "runs on a services host, alone: starts and stops what serves there",
    "lab/commands.py": "programs of this machine and of the lab's nodes",
    "lab/testing.py": "netdr and programs of nodes, for tests",
    "lab/users.py": "a process per unit whose user is at work",
    "netdr/cli/demo/stage.py": "the demo types the commands that people type",
    "nornir_tasks/approval.py": "ssh-keygen, for signatures of plans",
    "nornir_tasks/drivers/linux_device.py": "runs on a device, alone: asks every part to check and load its own files",
    "nornir_tasks/replica.py": "ssh to the other controllers, which keep a copy of the journal",
    "nornir_tasks/verify.py": "the operator's own checks after a change",
    "playbooks/action_plugins/netdr_command.py": "the command line, as Ansible's users meet it",
}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def sources() -> list[Path]:
    return [path for folder in (*PACKAGES, "playbooks") for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def test_programs_are_run_by_their_owners_only() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources() if "subprocess" in imported(path)}
    assert found == set(RUNS_PROGRAMS)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_lies_in_this_repository(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin == str(ROOT / package / "__init__.py")


def test_no_package_marker_below_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    found = []
    for importer in graph().modules:
        for other in graph().find_modules_directly_imported_by(importer):
            back = graph().find_shortest_chain(importer=other, imported=importer)
            if back:
                found.append(" → ".join([importer, *back]))
    assert found == []


def test_every_module_can_be_imported_on_its_own() -> None:
    for module in sorted(graph().modules):
        importlib.import_module(module)
