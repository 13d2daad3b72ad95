"""The real world of a recovery, up to the command line of the hosts: which host is asked for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup.recovery.world import Point
from backup.remote import Hosts
from backup.report import JobReport, dump
from backup.testing import FakeShell, when
from inventory import load, placement
from inventory.network import Network
from netdr.cli.recovery import _Services
from netdr.kernel.errors import BackupError, Problems, RecoveryError

LINWU = Path(__file__).parents[2] / "districts/linwu"
HOME, AWAY = "store", "store-b"
ROWS = [
    {"snapshot": "a1", "as_of": "2026-11-23T01:00:00+00:00", "proof": "passed", "doubt": ""},
    {"snapshot": "b2", "as_of": "2026-11-23T02:00:00+00:00", "proof": "passed", "doubt": ""},
]
FACTS = {"snapshot": "b2", "as_of": "2026-11-23T02:00:00+00:00", "snapshots": ROWS}


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


@pytest.fixture
def shells() -> dict[str, FakeShell]:
    verbs = ("list", "restore", "moment", "copy", "verify")
    return {host: FakeShell([when(verb, out=answer(verb, host)) for verb in verbs]) for host in (HOME, AWAY)}


def answer(verb: str, host: str, *problems: BackupError) -> str:
    return dump((JobReport("x", host, verb, 1.0, {}, FACTS, problems),))


def services(network: Network, shells: dict[str, FakeShell], state: Path) -> _Services:
    return _Services(network, Hosts(network, shells.__getitem__), state)


def asked(shells: dict[str, FakeShell]) -> list[tuple[str, ...]]:
    """Return who was asked, and with which words after ``netdr backup``."""
    return [(host, *call[2:]) for host, shell in shells.items() for call in shell.calls]


def test_a_snapshot_is_restored_where_the_service_is_active(
    network: Network, shells: dict[str, FakeShell], tmp_path: Path
) -> None:
    facts = services(network, shells, tmp_path).bring("notices", Point(snapshot="a1"), 60)
    assert asked(shells) == [(HOME, "restore", "notices", "--here", "--json", "--snapshot", "a1", "--from", "standby")]
    # 2026-11-23T02:00:00Z, by date(1): 1795399200
    assert facts["as_of"] == 1795399200.0


def test_at_the_dr_site_if_it_is_active_there(network: Network, shells: dict[str, FakeShell], tmp_path: Path) -> None:
    away = {service.id: service.standby for service in network.district.services}
    placement.save(tmp_path, placement.home(network.district).moved(away))
    services(network, shells, tmp_path).bring("notices", Point(), 60)
    assert [(call[0], call[1]) for call in asked(shells)] == [(AWAY, "restore")]


def test_without_a_stream_the_newest_snapshot_up_to_the_moment_is_taken(
    network: Network, shells: dict[str, FakeShell], tmp_path: Path
) -> None:
    one = services(network, shells, tmp_path)
    one.bring("notices", Point(moment="2026-11-23T09:30:00+08:00"), 60)
    assert asked(shells)[0][-4:] == ("--snapshot", "a1", "--from", "standby")
    with pytest.raises(RecoveryError, match="no snapshot of notices is as old as"):
        one.bring("notices", Point(moment="2026-11-23T08:00:00+08:00"), 60)


def test_a_moment_of_a_stream_travels_home_as_a_snapshot(
    network: Network, shells: dict[str, FakeShell], tmp_path: Path
) -> None:
    services(network, shells, tmp_path).bring("registry", Point(moment="2026-11-23T09:30:00+08:00"), 60)
    assert asked(shells) == [
        (HOME, "restore", "registry", "--here", "--json", "--snapshot", "b2", "--from", "standby"),
        (AWAY, "moment", "registry", "--here", "--json", "--at", "2026-11-23T09:30:00+08:00"),
    ]


def test_a_job_is_done_by_the_host_it_is_for(network: Network, shells: dict[str, FakeShell], tmp_path: Path) -> None:
    one = services(network, shells, tmp_path)
    assert one.job("list", "notices", 60)["snapshots"] == ROWS
    one.job("copy", "notices", 60)
    one.job("verify", "notices", 60)
    assert sorted((call[0], call[1]) for call in asked(shells)) == [(HOME, "copy"), (AWAY, "list"), (AWAY, "verify")]


def test_what_a_host_reports_to_have_gone_wrong_is_raised(network: Network, tmp_path: Path) -> None:
    text = answer("copy", HOME, BackupError("the server does not answer", where="registry"))
    shells = {HOME: FakeShell([when("copy", code=9, out=text)])}
    with pytest.raises(Problems, match="the server does not answer"):
        services(network, shells, tmp_path).job("copy", "registry", 60)


def test_nothing_is_copied_off_site_while_the_service_is_there(
    network: Network, shells: dict[str, FakeShell], tmp_path: Path
) -> None:
    away = {service.id: service.standby for service in network.district.services}
    placement.save(tmp_path, placement.home(network.district).moved(away))
    with pytest.raises(RecoveryError, match="nothing to copy: it is active at the DR site"):
        services(network, shells, tmp_path).job("copy", "registry", 60)
