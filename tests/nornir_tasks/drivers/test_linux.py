"""The driver's end of the connection: keys, versions, errors, what it makes of a device's answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from napalm.base.exceptions import (
    CommandErrorException,
    CommandTimeoutException,
    CommitError,
    ConnectAuthError,
    ConnectionClosedException,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
    UnsupportedVersion,
)

from lab.keys import host_key
from nornir_tasks.drivers.linux import LinuxDriver
from nornir_tasks.drivers.linux_ospf import ospf_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Rig

pytestmark = pytest.mark.lab


@pytest.fixture
def driver(initial: Rig) -> Iterator[LinuxDriver]:
    found = initial.opened()
    yield found
    found.close()


def test_another_host_key_is_refused(rig: Rig, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"10.99.0.1 {host_key().public}\n")
    with pytest.raises(ConnectionException, match="another host key"):
        rig.opened(known_hosts=str(known_hosts))


def test_a_host_that_is_not_known_is_refused(rig: Rig, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.touch()
    with pytest.raises(ConnectionException, match="not found in known_hosts"):
        rig.opened(known_hosts=str(known_hosts))


def test_a_login_that_the_device_refuses_is_told_apart(rig: Rig, tmp_path: Path) -> None:
    key_file = tmp_path / "id"
    key_file.touch(mode=0o600)
    key_file.write_text(host_key().private.reveal())
    with pytest.raises(ConnectAuthError, match="does not let netdr in"):
        rig.opened(key_file=str(key_file))


def test_nobody_there_is_told_with_the_address(rig: Rig) -> None:
    with pytest.raises(ConnectionException, match=r"10\.99\.0\.1 port 2"):
        rig.opened(port=2)


def test_another_program_on_the_device_is_refused_with_the_way_out(initial: Rig) -> None:
    program = initial.file("/usr/local/sbin/netdr-device")
    ours = program.read_text()
    program.write_text(f"{ours}# another version\n")
    try:
        with pytest.raises(UnsupportedVersion, match=r"install it: .*netdr-device"):
            initial.opened()
    finally:
        program.write_text(ours)


def test_a_missing_program_is_told_in_the_device_s_words(initial: Rig) -> None:
    program = initial.file("/usr/local/sbin/netdr-device")
    aside = program.rename(program.with_name("aside"))
    try:
        with pytest.raises(ConnectionException, match="command not found"):
            initial.opened()
    finally:
        aside.rename(program)


def test_a_program_that_dies_is_told_and_started_again(initial: Rig, driver: LinuxDriver) -> None:
    pid = initial.run("sw", "pgrep", "-f", "netdr-device session").stdout.split()
    initial.run("sw", "kill", "-9", *pid)
    with pytest.raises(ConnectionClosedException, match="ended during 'pending'"):
        driver.has_pending_commit()
    assert not driver.has_pending_commit()


def test_a_command_that_takes_too_long_is_cut_short(rig: Rig) -> None:
    slow = LinuxDriver(
        "10.99.0.1", "netdr", "", 2, {"key_file": str(rig.key_file), "known_hosts": str(rig.known_hosts)}
    )
    rig.from_ctl(slow.open)
    start = time.monotonic()
    with pytest.raises(CommandTimeoutException, match="sleep takes longer than 2 s"):
        slow.cli(["sleep 60"])
    assert time.monotonic() - start < 30
    assert slow.is_alive() == {"is_alive": True}
    slow.close()


def test_the_session_outlives_a_reload_of_sshd(initial: Rig, driver: LinuxDriver) -> None:
    driver.load_replace_candidate(config=initial.text("new_good"))
    driver.commit_config()
    assert driver.is_alive() == {"is_alive": True}
    assert driver.get_config(retrieve="running")["running"] == initial.text("new_good")
    initial.opened().close()


def test_a_refused_candidate_is_none(initial: Rig, driver: LinuxDriver) -> None:
    with pytest.raises(ReplaceConfigException, match=r"line \d+: filter: /etc/nftables.conf:\d+: Error: syntax error"):
        driver.load_replace_candidate(config=initial.text("new_typo"))
    assert driver.compare_config() == ""
    with pytest.raises(CommitError, match="no candidate"):
        driver.commit_config()


def test_a_merge_that_is_not_a_text_of_files_is_refused(driver: LinuxDriver) -> None:
    with pytest.raises(MergeConfigException, match="text before the first header"):
        driver.load_merge_candidate(config="hostname x\n")


def test_a_commit_that_a_part_does_not_take_is_a_commit_error(initial: Rig, driver: LinuxDriver) -> None:
    text = initial.text("initial").replace("router ospf\n", "router ospf\n passive-interface swp2\n")
    driver.load_replace_candidate(config=text)
    with pytest.raises(CommitError, match="routing: FRR lacks: router ospf / passive-interface swp2"):
        driver.commit_config()
    assert driver.get_config()["running"] == initial.text("initial")


def test_the_three_configurations(initial: Rig, driver: LinuxDriver) -> None:
    driver.load_replace_candidate(config=initial.text("new_good"))
    initial.run("sw", "nft", "add", "rule", "inet", "filter", "input", "udp", "dport", "99", "drop")
    found = driver.get_config()
    assert found["candidate"] == initial.text("new_good")
    assert found["startup"] == initial.text("initial")
    assert "udp dport 99 drop" in found["running"]


def test_a_sanitized_configuration_has_no_passphrase(initial: Rig, driver: LinuxDriver) -> None:
    text = initial.text("initial").replace(
        " ip ospf network", " ip ospf message-digest-key 1 md5 TheOspfKey\n ip ospf network"
    )
    driver.load_replace_candidate(config=text)
    driver.commit_config()
    assert "TheOspfKey" in driver.get_config()["running"]
    for shown in driver.get_config(sanitized=True).values():
        for told in ("TheOspfKey", "a passphrase of tests", "another one of tests"):
            assert told not in shown
        assert "message-digest-key 1 md5 <removed>" in shown or not shown


def test_ospf_neighbours(driver: LinuxDriver, initial: Rig) -> None:
    limit = time.monotonic() + 60
    while not (found := ospf_neighbours(driver)) or not found[0].full:
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert [(str(one.router_id), str(one.address), one.interface) for one in found] == [
        ("10.98.0.2", "10.97.0.1", "swp1")
    ]
    assert initial.name.startswith("driver-")


def test_cli_shows_frr_and_the_account_s_own_shell(driver: LinuxDriver) -> None:
    found = driver.cli(["show ip route 10.97.0.0/31", "id -un"])
    assert "directly connected, swp1" in found["show ip route 10.97.0.0/31"]
    assert found["id -un"] == "netdr\n"
    with pytest.raises(CommandErrorException, match="Unknown command"):
        driver.cli(["show nonsense"])


def test_a_ping_that_is_lost_and_one_that_cannot_be_sent(driver: LinuxDriver) -> None:
    lost = driver.ping("10.99.0.3", count=1, timeout=1)
    assert "error" in lost or lost["success"]["packet_loss"] == 1
    answered = driver.ping("10.97.0.1", count=2)["success"]
    assert (answered["probes_sent"], answered["packet_loss"]) == (2, 0)
    assert answered["rtt_min"] <= answered["rtt_avg"] <= answered["rtt_max"]
