"""The playbooks as texts, and what the roles write on a machine that systemd runs."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "playbooks"
LINWU = ROOT / "tests" / "districts" / "linwu"
BOOKS = sorted(path.name for path in PLAYBOOKS.glob("*.yml") if path.name != "netdr.yml")

pytestmark = pytest.mark.tools

Ansible = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_four_books_are_there() -> None:
    assert BOOKS == ["backup.yml", "deploy.yml", "drill.yml", "site.yml"]


@pytest.mark.parametrize("book", BOOKS)
def test_syntax(ansible: Ansible, book: str) -> None:
    done = ansible("ansible-playbook", "--syntax-check", str(PLAYBOOKS / book), NETDR_INVENTORY=str(LINWU))
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.parametrize("book", ["backup.yml", "drill.yml"])
def test_check_mode_runs_nothing(ansible: Ansible, book: str) -> None:
    """There is no vault, no controller and no network here: anything that ran would fail."""
    done = ansible("ansible-playbook", "--check", str(PLAYBOOKS / book), NETDR_INVENTORY=str(LINWU))
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout


def test_an_unknown_service_is_refused_in_words(ansible: Ansible, tmp_path: Path) -> None:
    arguments = (str(PLAYBOOKS / "backup.yml"), "-e", "service=nosuch")
    state = str(tmp_path / "state")
    done = ansible("ansible-playbook", *arguments, NETDR_INVENTORY=str(LINWU), NETDR_STATE=state)
    assert done.returncode == 2
    assert "unknown asset 'nosuch'; known: configs, netdr, notices, registry" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


# A play that writes what a role's templates make of this inventory into a folder, as a machine of a kind would have it.
RENDER = """
- hosts: all
  gather_facts: false
  connection: local
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    ansible_user: keeper
  tasks:
    - include_vars: %(role)s/vars/main.yml
      when: netdr_daemons is defined
    - copy:
        content: "{{ service_file.content }}"
        dest: "%(out)s/{{ inventory_hostname }}-{{ service_file.path | basename }}"
      loop: "{{ netdr_daemons | default([]) }}"
      loop_control: {loop_var: daemon}
    - copy:
        content: "{{ item.value }}"
        dest: "%(out)s/{{ inventory_hostname }}-{{ item.key }}"
      loop: "{{ netdr_units | default({}) | dict2items }}"
"""


@pytest.fixture(scope="module", params=["systemd", "sysvinit"])
def written(
    request: pytest.FixtureRequest, ansible: Ansible, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Every service file of every server, for a kind of machine."""
    tmp_path = tmp_path_factory.mktemp("services")
    out, roles, book = tmp_path / "out", PLAYBOOKS / "roles", tmp_path / "render.yml"
    out.mkdir()
    # Templates are looked for beside the playbook.
    shutil.copytree(roles / "monitor" / "templates", tmp_path / "templates")
    book.write_text(RENDER % {"role": roles / "monitor", "out": out})
    done = ansible(
        "ansible-playbook", str(book), "-l", "hosts", "-e", f"ansible_service_mgr={request.param}",
        NETDR_INVENTORY=str(LINWU), NETDR_STATE="/var/lib/netdr",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return request.param, out


def test_service_files(written: tuple[str, Path]) -> None:
    kind, out = written
    texts = {path.name: path.read_text() for path in out.iterdir()}
    daemons = ("netdr-alertmanager", "netdr-exporter", "netdr-prometheus")
    end = ".service" if kind == "systemd" else ""
    done = {"store": ("run", "prune"), "store-b": ("tend", "verify", "prune", "mutate"), "warden": ("run", "prune")}
    kept = {"store": ("registry", "notices"), "warden": ("netdr", "configs")}
    kept["store-b"] = (*kept["store"], *kept["warden"])
    jobs = {f"{host}-netdr-{verb}-{asset}.{part}" for host, verbs in done.items() for verb in verbs
            for asset in kept[host] for part in ("service", "timer")}  # fmt: skip
    jobs |= {f"{host}-netdr-stream-registry.{part}" for host in ("store", "store-b") for part in ("service", "timer")}
    jobs |= {f"store-b-netdr-drill-{every}.{part}" for every in ("30d", "90d") for part in ("service", "timer")}
    assert set(texts) == jobs | {f"{host}-{name}{end}" for host in ("warden", "warden-b") for name in daemons}
    assert not [name for name, text in texts.items() if "{{" in text or "{%" in text]
    for name, text in texts.items():
        # Only what reads the inventory itself is started anew for every change of it.
        assert ("Reads the district" in text) == ("exporter" in name)


def test_timers_keep_the_promises_of_the_inventory(written: tuple[str, Path]) -> None:
    _, out = written
    protections = {item["id"]: item for item in yaml.safe_load((LINWU / "protection.yaml").read_text())["protections"]}
    every = parsed(out / "store-netdr-run-registry.timer")["OnUnitActiveSec"]
    assert int(every) == seconds(protections["gold"]["every"])
    command = parsed(out / "store-netdr-run-registry.service")["ExecStart"]
    assert shlex.split(command)[1:] == ["backup", "run", "registry", "--here"]


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def parsed(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def test_the_machines_own_checkers_accept_them(written: tuple[str, Path]) -> None:
    kind, out = written
    tool = "systemd-analyze" if kind == "systemd" else "sh"
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    for path in sorted(out.iterdir()):
        if kind == "systemd":
            argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(path)]
        elif path.suffix:
            continue
        else:
            argv = ["sh", "-n", str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert path.name not in done.stderr, done.stderr


def test_the_lookup_gives_the_files_of_netdr_monitor_generate(ansible: Ansible, tmp_path: Path) -> None:
    book, out = tmp_path / "ask.yml", tmp_path / "out"
    book.write_text(
        "- hosts: localhost\n  gather_facts: false\n  connection: local\n  tasks:\n"
        "    - copy: {content: \"{{ query('netdr_monitor', folder='/x', owner='keeper') | to_json }}\", "
        f"dest: {tmp_path}/asked.json}}\n"
    )
    done = ansible("ansible-playbook", str(book), NETDR_INVENTORY=str(LINWU))
    assert done.returncode == 0, done.stdout + done.stderr
    done = ansible("netdr", "-i", str(LINWU), "--state", str(tmp_path / "s"), "monitor", "generate", "--out", str(out))
    assert done.returncode == 0, done.stderr
    generated = {f"/x/{path.name}": path.read_text() for path in out.iterdir()}
    assert {file["path"]: file["content"] for file in json.loads((tmp_path / "asked.json").read_text())} == generated
