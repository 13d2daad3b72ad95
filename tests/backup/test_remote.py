from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from backup.host import Result, SshShell
from backup.remote import Choice, Hosts, Order, carry, chosen, hosts_of, init, over_ssh, restore, rewind
from backup.report import JobReport, dump
from backup.testing import FakeShell, when
from backup.verbs import WHERE as AT
from inventory import load
from inventory.network import Network
from inventory.placement import Placement, home
from netdr.kernel.errors import BackupError, Problems, ProofError, UnreachableError, UsageError

LINWU = Path(__file__).parents[1] / "districts" / "linwu"
FACTS = {"snapshot": "9022964d", "source": "9022964d", "as_of": "2026-11-23T02:46:57.500000+00:00", "files": 4}


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


def reported(verb: str, *services: str, host: str = "store") -> str:
    return dump(tuple(JobReport(name, host, verb, 1.5, {"x": 1.0}, FACTS) for name in services))


def hosts(network: Network, shells: dict[str, FakeShell]) -> Hosts:
    give: Callable[[str], FakeShell] = shells.__getitem__
    return Hosts(network, give)


def active(network: Network, **moved: str) -> Placement:
    return home(network.district).moved(moved)


WHERE = {
    "run": {"store": ["registry", "notices"]},
    "copy": {"store": ["registry", "notices"]},
    "verify": {"store-b": ["registry", "notices"]},
    "restore": {"store": ["registry", "notices"]},
    "list": {"store": ["registry", "notices"], "store-b": ["registry", "notices"]},
    "status": {"store": ["registry", "notices"], "store-b": ["registry", "notices"]},
}
MOVED = {
    "run": {"store-b": ["registry"], "store": ["notices"]},
    "copy": {"store": ["notices"]},
    "verify": {"store-b": ["registry", "notices"]},
    "restore": {"store-b": ["registry"], "store": ["notices"]},
    "list": {"store-b": ["registry", "notices"], "store": ["notices"]},
    "status": {"store-b": ["registry", "notices"], "store": ["notices"]},
}


@pytest.mark.parametrize("verb", WHERE)
def test_on_a_quiet_day(network: Network, verb: str) -> None:
    assert hosts_of(network, home(network.district), AT[verb], network.district.services) == WHERE[verb]


@pytest.mark.parametrize("verb", MOVED)
def test_while_a_service_is_active_at_the_dr_site(network: Network, verb: str) -> None:
    assert hosts_of(network, active(network, registry="cave"), AT[verb], network.district.services) == MOVED[verb]


def test_services_are_chosen_in_the_inventorys_order(network: Network) -> None:
    assert [one.id for one in chosen(network.district.protected, ["notices", "registry"])] == ["registry", "notices"]
    assert [one.id for one in chosen(network.district.protected, [])] == ["registry", "notices", "netdr", "configs"]
    with pytest.raises(UsageError, match="unknown asset 'portal'; known: configs, netdr, notices, registry"):
        chosen(network.district.protected, ["portal"])


def test_a_host_is_asked_for_json_and_read(network: Network) -> None:
    shell = FakeShell([when("run", code=9, out=reported("run", "registry"))])
    reports = hosts(network, {"store": shell}).ask("store", Order("run", ("registry",)))
    assert [report.service for report in reports] == ["registry"]
    assert shell.calls[0][1:] == ("backup", "run", "registry", "--here", "--json")


def test_a_problem_keeps_its_kind_on_the_way(network: Network) -> None:
    problem = ProofError("came back different", where="/srv/restic/registry", why="a (content)", hint="look")
    text = dump((JobReport("registry", "store-b", "verify", 1.0, {}, {}, (problem,)),))
    shell = FakeShell([when("verify", code=10, out=text)])
    found = hosts(network, {"store-b": shell}).ask("store-b", Order("verify", ("registry",)))[0].problems[0]
    assert isinstance(found, ProofError)
    assert found.report() == problem.report()


def test_what_the_host_itself_refused(network: Network) -> None:
    text = json.dumps({"problems": [UsageError("unknown service 'x'").as_dict()]})
    with pytest.raises(Problems, match="unknown service 'x'") as caught:
        hosts(network, {"store": FakeShell([when("run", code=2, out=text)])}).ask("store", Order("run", ("x",)))
    assert caught.value.exit_code == 2


def test_a_host_without_netdr(network: Network) -> None:
    shell = FakeShell([when("run", code=1, err="sudo: /opt/netdr: command not found\n")])
    with pytest.raises(BackupError, match="store: netdr backup run failed: sudo: /opt/netdr: command not found"):
        hosts(network, {"store": shell}).ask("store", Order("run", ("registry",)))


def test_one_host_that_is_down_stops_no_other(network: Network) -> None:
    def down(_argv: object) -> Result | None:
        raise UnreachableError("the host does not answer ssh", where="store")

    shells = {"store": FakeShell([down]), "store-b": FakeShell([when("status", out=reported("status", "registry"))])}
    orders = {host: Order("status", ("registry",)) for host in shells}
    lost, good = hosts(network, shells).each(orders)
    assert (lost.host, lost.ok, lost.problems[0].exit_code) == ("store", False, 5)
    assert good.ok


def test_init_carries_the_access_and_keeps_it_out_of_the_command_line(network: Network) -> None:
    access = {"certificate": "PEM", "services": {"registry": ["rest:https://registry:hidden@x/", "word"]}}
    standby = dump((JobReport("*", "store-b", "accept", 0.1, {}, {"access": access}),))
    there = FakeShell([when("accept", out=standby)])
    main = FakeShell([when("accept", out=reported("init", "registry", "notices"))])
    reports = init(hosts(network, {"store": main, "store-b": there}), network.district.services)
    assert [report.service for report in reports] == ["registry", "notices"]
    assert json.loads(there.inputs[0])["access"] is None
    assert json.loads(main.inputs[0])["access"] == access
    assert not [word for call in (*main.calls, *there.calls) for word in call if "hidden" in word]


def test_init_carries_the_offer_to_stream_to_the_dr_host(network: Network) -> None:
    standby = dump((JobReport("*", "store-b", "accept", 0.1, {}, {"access": {}, "verifiers": {"hall": "SCRAM"}}),))
    streams = dump((JobReport("*", "store-b", "stream", 0.1, {}, {"behind": 0}),))
    there = FakeShell([when("accept", out=standby)])
    offer = {"site": "hall", "address": "10.0.0.1"}
    main = FakeShell([when("accept", out=dump((JobReport("hall", "store", "stream", 0.1, {}, {"offer": offer}),)))])

    def second(_argv: object) -> Result | None:
        return Result(0, streams, "") if len(there.calls) == 2 else None

    there.answers = [second, *there.answers]
    reports = init(hosts(network, {"store": main, "store-b": there}), network.district.services)
    assert json.loads(main.inputs[0])["verifiers"] == {"hall": "SCRAM"}
    assert json.loads(there.inputs[1])["offer"] == offer
    assert [report.host for report in reports] == ["store", "store-b"]


def test_a_moment_goes_home_as_the_snapshot_that_the_dr_host_makes_of_it(network: Network) -> None:
    made = dump((JobReport("registry", "store-b", "moment", 1.0, {}, {"snapshot": "5abc"}),))
    there, main = (
        FakeShell([when("moment", out=made)]),
        FakeShell([when("restore", out=reported("restore", "registry"))]),
    )
    both = hosts(network, {"store-b": there, "store": main})
    at = ("--at", "2026-11-23T12:00:00+00:00")
    first, second = rewind(both, "store-b", "store", "registry", at)
    assert (first.verb, second.verb) == ("moment", "restore")
    assert set(at) <= set(there.calls[0])
    assert main.calls[0][-4:] == ("--snapshot", "5abc", "--from", "standby")


def test_a_moment_that_cannot_be_had_touches_nothing(network: Network) -> None:
    failed = dump((JobReport("registry", "store-b", "moment", 1.0, {}, {}, (BackupError("is in the future"),)),))
    both = hosts(network, {"store-b": FakeShell([when("moment", out=failed)]), "store": FakeShell([])})
    (only,) = rewind(both, "store-b", "store", "registry", ())
    assert not only.ok


def test_a_restore_tells_its_moment_in_unix_seconds(network: Network) -> None:
    shell = FakeShell([when("restore", out=reported("restore", "registry"))])
    facts = restore(hosts(network, {"store-b": shell}), "store-b", "registry", Choice("abcd", "home"))
    # date -u -d 2026-11-23T02:46:57.5Z +%s.%1N
    assert facts["as_of"] == 1795402017.5
    assert shell.calls[0][-4:] == ("--snapshot", "abcd", "--from", "home")


def test_a_carry_restores_the_snapshot_that_was_just_made(network: Network) -> None:
    source = FakeShell([when("run", out=reported("run", "registry"))])
    target = FakeShell([when("restore", "--snapshot", "9022964d", out=reported("restore", "registry"))])
    facts = carry(hosts(network, {"store": target, "store-b": source}), "store-b", "store", "registry")
    assert facts["snapshot"] == "9022964d"


def test_a_carry_that_is_not_saved_restores_nothing(network: Network) -> None:
    failed = dump((JobReport("registry", "store-b", "run", 1.0, {}, {}, (BackupError("no space"),)),))
    target = FakeShell([])
    shells = {"store": target, "store-b": FakeShell([when("run", code=9, out=failed)])}
    with pytest.raises(Problems, match="no space"):
        carry(hosts(network, shells), "store-b", "store", "registry")
    assert target.calls == []


def test_ssh_checks_the_pinned_key_and_nothing_else(network: Network, tmp_path: Path) -> None:
    shell = over_ssh(network, LINWU, tmp_path).shell("store")
    assert isinstance(shell, SshShell)
    argv = shell.argv("true")
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes"} <= set(argv)
    assert f"UserKnownHostsFile={tmp_path}/ssh/known_hosts" in argv
    assert "GlobalKnownHostsFile=/dev/null" in argv
    assert argv[-2:] == [f"keeper@{network.node('store').loopback}", "true"]
