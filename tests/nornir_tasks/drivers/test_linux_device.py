"""What a device does by itself with a candidate, told from its console: all or nothing, and the truth."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Rig

pytestmark = pytest.mark.lab

# Part, a good line of the initial text, what becomes of it, the part's own words.
MISTAKES = [
    ("filter", "\t\tudp dport 69 drop", "\t\tudp dport 69 dorp", "syntax error, unexpected"),
    ("routing", " ip ospf bfd", " ip ospf bdf", "% Unknown command"),
    ("interfaces", "    alias to the peer", "    allias to the peer", "unsupported keyword (allias)"),
    ("interfaces", "    address 10.97.0.0/31", "    address 300.97.0.0/31", "invalid value"),
    ("ssh", "AllowUsers netdr", "AlowUsers netdr", "Bad configuration option: AlowUsers"),
    ("snmp", "sysLocation the tests", "sysLoc the tests", "Unknown token: sysLoc"),
    ("snmp", "rouser netdr authPriv", "rouser netdr authPrivate", "bad security level"),
    ("time", "driftfile /var/lib/chrony/chrony.drift", "driftfiel x", "Invalid directive"),
    ("identity", "sw\n#: file /etc/issue.net", "s_w\n#: file /etc/issue.net", "RFC 1123"),
    ("identity", "ssh-ed25519 ", "ssh-ed ", "not an SSH public key"),
]


@pytest.mark.parametrize(("part", "good", "bad", "words"), MISTAKES, ids=[f"{m[0]}: {m[3]}" for m in MISTAKES])
def test_a_mistake_in_any_part_refuses_all_with_its_words_and_line(
    initial: Rig, part: str, good: str, bad: str, words: str
) -> None:
    text = initial.text("initial").replace(good, bad).replace("A switch", "The switch")
    line = text[: text.index(bad)].count("\n") + 1
    before = initial.snapshot()
    error = initial.commit(text)["error"]
    assert error["kind"] == "candidate"
    assert {problem["part"] for problem in error["problems"]} == {part}
    assert any(words in problem["words"] for problem in error["problems"]), error
    assert line in {problem["line"] for problem in error["problems"]}, error
    assert initial.snapshot() == before


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("/etc/lldpd.d/netdr.conf", "configure lldp tx-intervall 5\n", "unknown command from argument"),
        ("/etc/rsyslog.d/netdr.conf", "*.* @@10.98.0.2:514 bogus(\n", "invalid character in selector line"),
    ],
)
def test_a_mistake_in_a_new_file_refuses_all(initial: Rig, path: str, content: str, words: str) -> None:
    files = [block for block in initial.text("initial").split("#: file ") if block]
    files = sorted([*files, f"{path} mode=0644 owner=root:root\n{content}"])
    before = initial.snapshot()
    error = initial.commit("".join(f"#: file {block}" for block in files))["error"]
    assert error["kind"] == "candidate"
    assert words in error["problems"][0]["words"]
    assert initial.snapshot() == before


def test_all_mistakes_are_told_at_once_in_order_of_lines(initial: Rig) -> None:
    problems = initial.commit("new_typo")["error"]["problems"]
    parts = {"filter", "routing", "interfaces", "ssh", "snmp", "time", "identity"}
    assert {problem["part"] for problem in problems} == parts
    lines = [problem["line"] for problem in problems]
    assert lines == sorted(lines)


def test_an_owner_that_the_device_does_not_have_is_refused(initial: Rig) -> None:
    error = initial.commit(initial.text("initial").replace("owner=frr:frr", "owner=nobody_here:frr"))["error"]
    assert "this device has no user 'nobody_here'" in error["problems"][0]["words"]


@pytest.mark.parametrize("path", ["/etc/network/interfaces", "/etc/ssh/sshd_config", "/etc/ssh/authorized_keys/netdr"])
def test_a_candidate_without_the_way_in_is_refused(initial: Rig, path: str) -> None:
    blocks = [block for block in initial.text("initial").split("#: file ") if block and not block.startswith(path)]
    error = initial.commit("".join(f"#: file {block}" for block in blocks))["error"]
    assert f"{path} is missing" in error["problems"][0]["words"]


def _same(before: dict[str, str], after: dict[str, str]) -> None:
    """Tell what differs, but for the numbers of processes: daemons were started twice."""
    assert before.keys() == after.keys()
    for key, text in before.items():
        if not key.startswith("pidof"):
            assert after[key].split("\n") == text.split("\n")


@pytest.mark.parametrize(
    ("good", "late", "part", "words"),
    [
        # FRR takes the line and keeps it as another one, below the interface.
        ("router ospf\n", "router ospf\n passive-interface swp2\n", "routing", "router ospf / passive-interface swp2"),
        # The port does not exist; no checker looks.
        ("auto swp2\n", "auto swp9\niface swp9\n    address 10.96.0.0/31\n\nauto swp2\n", "interfaces", "swp9"),
        # Somebody else's port.
        ("agentaddress udp:161\n", "agentaddress tcp:22\n", "snmp", "snmpd"),
    ],
)
def test_what_a_part_does_not_take_is_put_back_everywhere(
    initial: Rig, good: str, late: str, part: str, words: str
) -> None:
    text = initial.text("new_good").replace(good, late)
    before = initial.snapshot()
    error = initial.commit(text)["error"]
    assert (error["kind"], error["problems"][0]["part"]) == ("apply", part), error
    assert words in error["problems"][0]["words"]
    _same(before, initial.snapshot())
    assert initial.device("running") == initial.text("initial")
    told = json.loads(initial.device("pending"))
    assert (told["pending"], told["undone"]["why"]) == (False, f"{part} refused it")


def test_the_same_again_does_nothing(initial: Rig) -> None:
    before = initial.snapshot()
    stamps = {path: initial.file(path).stat().st_mtime_ns for path in ("/etc/frr/frr.conf", "/etc/hostname")}
    answer = initial.commit("initial")
    assert answer["changed"] == []
    assert initial.snapshot() == before
    assert stamps == {path: initial.file(path).stat().st_mtime_ns for path in stamps}


@pytest.mark.parametrize(
    ("command", "undo_sign", "shown"),
    [
        ("nft add rule inet filter input udp dport 99 drop", "nft list ruleset", "udp dport 99 drop"),
        ("vtysh -c 'conf t' -c 'ip route 192.0.2.0/24 Null0'", "vtysh -c 'show run'", "ip route 192.0.2.0/24 Null0"),
        ("ip address add 10.55.0.1/24 dev swp1", "ip address", "swp1: address 10.55.0.1/24"),
        ("ip address del 10.98.0.1/32 dev lo", "ip address", "lo: address 10.98.0.1/32"),
        ("hostname somebody-else", "hostname", "somebody-else"),
    ],
)
def test_drift_is_shown_and_repaired(initial: Rig, command: str, undo_sign: str, shown: str) -> None:
    clean = initial.run("sw", "sh", "-c", undo_sign).stdout
    initial.run("sw", "sh", "-c", command)
    assert shown in initial.device("running")
    assert shown in initial.device("diff", text=initial.text("initial"))
    assert initial.commit("initial")["changed"]
    assert initial.device("running") == initial.text("initial")
    strip = (
        (lambda text: "\n".join(sorted(line.split(" valid")[0] for line in text.split("\n"))))
        if "ip " in undo_sign
        else str
    )
    assert strip(initial.run("sw", "sh", "-c", undo_sign).stdout) == strip(clean)


def test_drift_is_there_again_after_a_refused_commit(initial: Rig) -> None:
    initial.run("sw", "sh", "-c", "vtysh -c 'conf t' -c 'ip route 192.0.2.0/24 Null0'")
    initial.run("sw", "nft", "add", "rule", "inet", "filter", "input", "udp", "dport", "99", "drop")
    before = initial.device("running")
    text = initial.text("new_good").replace("router ospf\n", "router ospf\n passive-interface swp2\n")
    assert initial.commit(text)["error"]["kind"] == "apply"
    assert initial.device("running") == before


def test_a_filter_in_use_is_never_open_or_empty(initial: Rig) -> None:
    """Both texts drop UDP port 69, so none of the packets that come all the while may arrive."""
    listen = """
import socket
at = socket.socket(type=socket.SOCK_DGRAM)
at.bind(("", 69))
print("on", flush=True)
print(at.recv(9), flush=True)
"""
    send = "import socket,time\ns=socket.socket(type=2)\nwhile True: s.sendto(b'x',('10.99.0.1',69)); time.sleep(.0005)"
    listener = initial.start("sw", "python3", "-c", listen)
    sender = initial.start("ctl", "python3", "-c", send)
    try:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "on\n"
        other = initial.text("initial").replace("69 drop\n", "69 drop\n\t\tudp dport 514 drop\n")
        for _ in range(10):
            assert initial.commit(other)["changed"] == ["filter"]
            assert initial.commit("initial")["changed"] == ["filter"]
        assert sender.poll() is None
        assert listener.poll() is None, "a packet came through"
        initial.run("sw", "nft", "flush", "ruleset")
        assert listener.stdout.readline() == "b'x'\n"  # the packets were there all the time
    finally:
        for process in (listener, sender):
            initial.end(process)


def _sees(rig: Rig, passphrase: str) -> bool:
    login = [
        "-v3",
        "-l",
        "authPriv",
        "-u",
        "netdr",
        "-a",
        "SHA-256",
        "-A",
        passphrase,
        "-x",
        "AES",
        "-X",
        "another one of tests",
    ]
    return (
        rig.run("ctl", "snmpget", "-t1", "-r0", *login, "10.99.0.1", ".1.3.6.1.2.1.1.6.0", check=False).returncode == 0
    )


def test_a_changed_snmp_passphrase_is_the_one_that_counts(initial: Rig) -> None:
    assert _sees(initial, "a passphrase of tests")
    initial.commit(initial.text("initial").replace("a passphrase of tests", "a fresh passphrase"))
    assert _sees(initial, "a fresh passphrase")
    assert not _sees(initial, "a passphrase of tests")
    initial.commit("initial")
    assert _sees(initial, "a passphrase of tests")


def test_files_have_the_mode_and_owner_of_their_header(initial: Rig) -> None:
    initial.commit(
        initial.text("initial").replace("issue.net mode=0644 owner=root:root", "issue.net mode=0600 owner=frr:frr")
    )
    assert initial.run("sw", "stat", "-c", "%a %U:%G", "/etc/issue.net").stdout == "600 frr:frr\n"


def test_a_file_that_the_candidate_lacks_is_taken_away(initial: Rig) -> None:
    initial.commit("new_good")
    assert initial.file("/etc/lldpd.d/netdr.conf").exists()
    initial.commit("initial")
    assert not initial.file("/etc/lldpd.d/netdr.conf").exists()


def test_neither_the_log_nor_the_answers_tell_a_passphrase(initial: Rig) -> None:
    told = "a passphrase of tests"
    bad = initial.text("initial").replace("sysLocation", "sysLoc")
    said = [initial.device("commit", text=text, check=False) for text in (bad, initial.text("new_good"))]
    said.append(initial.file("/var/log/netdr-device.log").read_text())
    assert not any(told in text for text in said)


def test_the_rollback_goes_to_the_set_before_and_back(initial: Rig) -> None:
    initial.commit("new_good")
    initial.device("rollback")
    assert initial.device("running") == initial.text("initial")
    initial.device("rollback")
    assert initial.device("running") == initial.text("new_good")


def test_a_disk_that_is_full_for_the_record_changes_nothing(initial: Rig) -> None:
    before = initial.snapshot()
    folder = "/var/lib/netdr/device"
    initial.run("sw", "mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder)
    try:
        initial.run("sw", "sh", "-c", f"dd if=/dev/zero of={folder}/ballast bs=4k", check=False)
        error = initial.commit("new_good")["error"]
        assert error["kind"] == "system"
        assert "No space left" in error["problems"][0]["words"]
        assert initial.snapshot() == before
    finally:
        initial.run("sw", "umount", folder)


def test_a_disk_that_is_full_for_a_file_puts_the_others_back(initial: Rig) -> None:
    before = initial.snapshot()
    initial.run(
        "sw",
        "sh",
        "-c",
        "cp -a /etc/snmp /tmp && mount -t tmpfs -o size=8k tmpfs /etc/snmp && cp -a /tmp/snmp/. /etc/snmp",
    )
    try:
        text = initial.text("new_good").replace("sysLocation", "# " + "x" * 9000 + "\nsysLocation")
        error = initial.commit(text)["error"]
        assert (error["kind"], error["problems"][0]["part"]) == ("apply", "snmp")
        assert "No space left" in error["problems"][0]["words"]
        _same(before, initial.snapshot())
    finally:
        initial.run("sw", "umount", "/etc/snmp")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("read", "rm -rf /"), "unknown query"),
        (("read", "show version; reload"), "unknown query"),
        (("read", "show version\nconf t"), "unknown query"),
        (("ping", "-f 10.97.0.1"), "not an address"),
        (("commit", "--id", "a b"), "not an id"),
        (("commit", "--revert-in", "0"), "1 to 86400"),
        (("confirm", "--colour", "red"), "unexpected keyword"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(initial: Rig, argv: tuple[str, ...], words: str) -> None:
    error = json.loads(initial.device(*argv, text=initial.text("initial"), check=False))["error"]
    assert error["kind"] == "usage"
    assert words in error["problems"][0]["words"]


def test_a_commit_of_one_line_takes_less_than_a_second(initial: Rig) -> None:
    other = initial.text("initial").replace("69 drop\n", "69 drop\n\t\tudp dport 514 drop\n")
    start = time.monotonic()
    assert initial.commit(other)["changed"] == ["filter"]
    assert time.monotonic() - start < 1.0
