"""Changes tried on a twin of a running district, by its own controller: a lab inside a lab.

What must be found follows from the planted mistake, not from what netdr printed once.
"""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from lab import control
from lab.testing import RunningLab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CONTROLLER = "warden"
LINWU = Path(__file__).parents[1] / "districts/linwu"
NETWORK = "      - {id: 31, name: desks, zone: desk}\n"


def edited(lab: RunningLab, name: str, *edits: tuple[str, str, str]) -> str:
    """Make a copy of the district on the controller with (file, old, new) replaced at its last place."""
    folder = f"/root/{name}"
    texts = {path.name: path.read_text(encoding="utf-8") for path in LINWU.glob("*.yaml")}
    for file, old, new in edits:
        head, found, tail = texts[file].rpartition(old)
        assert found, f"{old!r} is not in {file}"
        texts[file] = head + new + tail
    write = "import json, pathlib, sys\nfolder = pathlib.Path(sys.argv[1])\nfolder.mkdir(exist_ok=True)\n"
    write += "for name, text in json.loads(sys.argv[2]).items():\n    (folder / name).write_text(text)\n"
    assert lab.run(CONTROLLER, "python3", "-c", write, folder, json.dumps(texts)).returncode == 0
    done = netdr(lab, folder, "inventory", "allocate")
    assert done.returncode == 0, done.stderr
    return folder


def netdr(lab: RunningLab, folder: str, *arguments: str) -> CompletedProcess[str]:
    done = lab.run(CONTROLLER, "python3", "-m", "netdr", "-i", folder, *arguments, limit=240)
    if done.returncode == 13:
        pytest.skip(done.stderr.strip())
    return done


def test_a_network_for_one_unit_is_clean_and_nothing_of_the_twin_stays(deployed_lab: RunningLab) -> None:
    before = control.status(deployed_lab.name)
    folder = edited(
        deployed_lab,
        "annex",
        (
            "units.yaml",
            "- {id: 31, name: desks, zone: desk}\n",
            NETWORK.strip()
            + "\n"
            + NETWORK.replace("31", "33").replace("desks", "annex").replace("desk}", "desk, prefixlen: 28}"),
        ),
    )
    done = netdr(deployed_lab, folder, "plan", "--twin", "--sweep=hub--ring-n,acc-ferry--ring-l", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    twin = found["twin"]
    assert (found["changed"], twin["deploy"]["result"], twin["deploy"]["changed"]) == (
        ["acc-mill"],
        "done",
        ["acc-mill"],
    )
    assert (twin["ok"], twin["base"], twin["matrix"]["mismatches"]) == (True, "observed", [])
    assert twin["loss"].keys() == set(deployed_lab.network.units)
    assert min(loss["sent"] for loss in twin["loss"].values()) > 0
    # ferry has one line; a line of the backbone costs nobody anything.
    assert (twin["sweep"]["links"], twin["sweep"]["findings"]) == (2, [])
    assert twin["sweep"]["single_points"] == [
        {"name": "acc-ferry--ring-l", "kind": "link", "units": {"ferry": ["notices"]}, "devices": ["acc-ferry"]}
    ]
    left = "ls /run/netns /var/lib/netdr-lab /run/netdr-lab; ip netns; mount | grep netdr-lab"
    assert twin["lab"] not in deployed_lab.run(CONTROLLER, "sh", "-c", left).stdout
    assert control.status(deployed_lab.name).nodes == before.nodes


def test_a_change_that_is_half_made_is_found_out(deployed_lab: RunningLab) -> None:
    # The notices move to another port, and the clinic's switch is not told. The mill's first line moves to ring-s, and
    # ring-s is not told: the mill hangs on its other line alone, though the drawing says that it has two.
    folder = edited(
        deployed_lab,
        "half",
        ("services.yaml", "ports: [tcp/80]", "ports: [tcp/8080]"),
        ("units.yaml", "uplinks: [ring-n, hub]", "uplinks: [ring-s, hub]"),
    )
    half = ("plan", "-l", "!acc-clinic,!ring-s", "--twin", "--sweep=acc-mill--hub", "--json")
    done = netdr(deployed_lab, folder, *half)
    assert done.returncode == 8, done.stderr + done.stdout
    twin = json.loads(done.stdout)["twin"]
    assert (twin["ok"], twin["deploy"]["result"]) == (False, "done")
    wrong = {(item["source"], item["destination"], item["port"]) for item in twin["matrix"]["mismatches"]}
    assert wrong == {("host-clinic", "notices", "tcp/8080")}
    lost = {(item["failure"], item.get("unit"), item.get("service")) for item in twin["sweep"]["findings"]}
    assert {("acc-mill--hub", "mill", "registry"), ("acc-mill--hub", "mill", "notices")} <= lost
    assert {unit for _, unit, _ in lost} == {"mill", None}
