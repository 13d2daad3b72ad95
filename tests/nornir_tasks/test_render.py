from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from inventory import load
from inventory import record as records
from inventory import secrets as vault
from inventory.addressing import allocate
from inventory.intent import device_intent, home_placement
from inventory.model import District, Vlan
from inventory.network import Network
from netdr.cli import root
from netdr.kernel.errors import Problems, RenderError
from netdr.kernel.secret import Secret
from nornir_tasks import render
from nornir_tasks.drivers.linux_device import parse

ROOT = Path(__file__).parents[2]
FOLDERS = {"suxian": ROOT / "inventory" / "suxian", "linwu": ROOT / "tests" / "districts" / "linwu"}


@cache
def network(name: str) -> Network:
    return load.network(FOLDERS[name])


def keys(name: str) -> Mapping[str, Secret]:
    """Return a canary for every secret: sixteen characters that stand nowhere else."""
    references = vault.references(network(name).district)
    return {reference.name: Secret(f"canary{number:010}") for number, reference in enumerate(references)}


@cache
def texts(name: str) -> Mapping[str, str]:
    return render.render_all(network(name), home_placement(network(name)), keys(name))


def files(text: str) -> dict[str, str]:
    return {file.path: file.content for file in parse(text)}


def with_settings(name: str, **management: object) -> Network:
    here = network(name)
    settings = here.district.settings
    changed = settings.model_copy(update={"management": settings.management.model_copy(update=management)})
    district = here.district.model_copy(update={"settings": changed})
    return Network(district, here.nodes, here.wires, here.nets, here.services)


@pytest.mark.parametrize("district", FOLDERS)
def test_every_device_has_a_text_and_the_same_one_every_time(district: str) -> None:
    here = network(district)
    assert list(texts(district)) == [node.id for node in here.devices]
    for node in here.devices:
        assert render.render(here, node.id, home_placement(here), keys(district)) == texts(district)[node.id]


@pytest.mark.parametrize("district", FOLDERS)
def test_the_whole_repeats_day_0_line_by_line(district: str) -> None:
    here = network(district)
    for node in here.devices:
        first = files(render.day0(here, node.id, keys(district)))
        whole = files(texts(district)[node.id])
        assert set(first) < set(whole)
        for path, text in first.items():
            rest = iter(whole[path].splitlines())
            assert all(line in rest for line in text.splitlines()), f"{node.id} {path}"


def test_day_0_has_the_way_in_and_nothing_for_users() -> None:
    first = files(render.day0(network("suxian"), "acc-finance", keys("suxian")))
    assert set(first) == {
        "/etc/hostname",
        "/etc/issue.net",
        "/etc/ssh/sshd_config",
        "/etc/ssh/authorized_keys/netdr",
        "/etc/network/interfaces",
        "/etc/frr/frr.conf",
    }
    assert "bridge-ports" not in first["/etc/network/interfaces"]
    assert "br10" not in first["/etc/frr/frr.conf"]
    core = files(render.day0(network("suxian"), "core-1", keys("suxian")))["/etc/frr/frr.conf"]
    assert "router bgp" not in core
    # The controller's loopback, and no service's address.
    assert re.findall(r"^ip route (\S+)", core, re.MULTILINE) == ["10.64.4.42/32", "10.64.4.43/32"]


def test_what_a_role_does_not_use_is_not_there() -> None:
    core = files(texts("suxian")["core-2"])
    assert "router bgp" not in core["/etc/frr/frr.conf"]
    assert "chain forward" not in core["/etc/nftables.conf"]
    assert "bridge-ports" not in core["/etc/network/interfaces"]


def test_what_the_inventory_does_not_name_is_not_there() -> None:
    whole = files(texts("suxian")["core-1"])
    bare = with_settings("suxian", ntp=(), syslog=())
    without = files(render.render(bare, "core-1", home_placement(bare), keys("suxian")))
    assert set(whole) - set(without) == {"/etc/chrony/chrony.conf", "/etc/rsyslog.d/netdr.conf"}
    assert all(without[path] == whole[path] for path in without)


def test_a_new_user_network_changes_one_device() -> None:
    def grown(district: District) -> District:
        new = Vlan(id=30, name="guests", zone="public")
        units = [
            unit.model_copy(update={"vlans": (*unit.vlans, new)}) if unit.id == "water" else unit
            for unit in district.units
        ]
        return district.model_copy(update={"units": tuple(units)})

    before = network("suxian")
    district = grown(before.district)
    after = Network.of(district, allocate(district, records.read(FOLDERS["suxian"]).value))
    new = render.render_all(after, home_placement(after), keys("suxian"))
    assert [device for device in new if new[device] != texts("suxian")[device]] == ["acc-water"]


def test_a_failover_changes_the_devices_of_both_sites_servers() -> None:
    here = network("suxian")
    moved = dict.fromkeys(home_placement(here), "dr")
    new = render.render_all(here, moved, keys("suxian"))
    assert [device for device in new if new[device] != texts("suxian")[device]] == ["core-1", "core-2", "dr-1"]


# ---- mistakes ------------------------------------------------------------------------------------------------------


def test_a_missing_secret_is_told_once_with_the_template_line_and_all_devices() -> None:
    known = {name: secret for name, secret in keys("suxian").items() if name != "snmp-priv"}
    with pytest.raises(Problems) as caught:
        render.render_all(network("suxian"), home_placement(network("suxian")), known)
    (problem,) = caught.value.problems
    assert problem.exit_code == 4
    assert re.search(r"templates/linux/snmp\.j2:\d+$", problem.where)
    assert str(problem).endswith("known: authorized-key, city-bgp, ospf-key, snmp-auth: on core-1 and 40 more")


def test_all_problems_of_all_devices_come_at_once() -> None:
    with pytest.raises(Problems) as caught:
        render.render_all(network("suxian"), home_placement(network("suxian")), {})
    assert {Path(problem.where.rpartition(":")[0]).name for problem in caught.value.problems} == {
        "authorized-key.j2",
        "bgp.j2",
        "ospf-interfaces.j2",
        "snmp.j2",
    }


def test_a_secret_that_the_platform_would_cut_off_is_refused() -> None:
    long = {**keys("suxian"), "ospf-key": Secret("seventeen letters")}
    with pytest.raises(Problems, match="secret 'ospf-key' has 17 characters: the platform takes at most 16"):
        render.day0(network("suxian"), "core-1", long)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a\n{{ device.nmae }}\n", 2, "has no attribute 'nmae'"),
        ("{% for port in device.ports %}\n\n{{ prot.name }}\n{% endfor %}\n", 3, "'prot' is undefined"),
        ("{{ device.ports | joyn }}\n", 1, "No filter named 'joyn'"),
        ("\n{% if device.bgp %}\n", 2, "Unexpected end of template"),
        ("{{ range(3) }}\n", 1, "'range' is undefined"),
        ("{{ device.ports[99].name }}\n", 1, "has no element 99"),
    ],
)
def test_a_mistake_in_a_template_is_told_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    template = tmp_path / "broken.j2"
    template.write_text(text, encoding="utf-8")
    intent = device_intent(network("linwu"), "hub", {})
    with pytest.raises(RenderError) as caught:
        render._Engine(keys("linwu"))._feature(template, intent)
    assert caught.value.where == f"{template}:{line}"
    assert what in caught.value.what


# ---- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def netdr(tmp_path: Path) -> list[str]:
    arguments = ["-i", str(FOLDERS["linwu"]), "--state", str(tmp_path / "state")]
    made = CliRunner().invoke(root, [*arguments, "secrets", "create"])
    assert made.exit_code == 0, made.output
    return arguments


def revealed(state: Path) -> list[str]:
    return [s.reveal() for s in vault.load(state, vault.references(network("linwu").district)).values()]


@pytest.mark.parametrize("form", [[], ["--json"], ["hub", "acc-*"]])
def test_no_secret_is_printed(netdr: list[str], tmp_path: Path, form: list[str]) -> None:
    shown = CliRunner().invoke(root, [*netdr, "render", *form])
    assert shown.exit_code == 0, shown.output
    assert "<area-key fp:" in shown.output
    assert not [secret for secret in revealed(tmp_path / "state") if secret in shown.output]


def test_secrets_are_revealed_only_into_files_of_ones_own(netdr: list[str], tmp_path: Path) -> None:
    refused = CliRunner().invoke(root, [*netdr, "render", "--reveal"])
    assert "--reveal needs --out" in str(refused.exception)
    out = tmp_path / "out"
    assert CliRunner().invoke(root, [*netdr, "render", "hub", "--reveal", "--out", str(out)]).exit_code == 0
    assert [path.name for path in out.iterdir()] == ["hub.cfg"]
    assert (out / "hub.cfg").stat().st_mode & 0o777 == 0o600
    secrets = vault.load(tmp_path / "state", vault.references(network("linwu").district))
    assert secrets["area-key"].reveal() in (out / "hub.cfg").read_text(encoding="utf-8")
    # The device never gets the passphrase, only the key made from it.
    assert secrets["watcher-auth"].reveal() not in (out / "hub.cfg").read_text(encoding="utf-8")
