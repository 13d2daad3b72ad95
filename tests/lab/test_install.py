from lab.install import accounts, known_hosts
from lab.keys import host_key

USERS = """\
root:x:0:0:root:/root:/bin/bash
_chrony:x:102:105::/var/lib/chrony:/usr/sbin/nologin
clash:x:900:900::/nonexistent:/usr/sbin/nologin
worker:x:1000:1000::/home/worker:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nshadow:x:42:\nworker:x:1000:\nnogroup:x:65534:\n"


def names(text: str) -> list[str]:
    return [line.partition(":")[0] for line in text.splitlines()]


def test_system_accounts_come_along_and_people_stay_behind() -> None:
    files = accounts(USERS, GROUP, "netdr")
    assert names(files["/etc/passwd"].content) == ["root", "_chrony", "nobody", "netdr"]
    assert names(files["/etc/group"].content) == ["root", "shadow", "nogroup", "netdr"]


def test_nobody_has_a_password() -> None:
    shadow = accounts(USERS, GROUP, "netdr")["/etc/shadow"]
    # shadow(5): a field that no password hashes to.
    assert {line.split(":")[1] for line in shadow.content.splitlines()} == {"*"}
    assert names(shadow.content) == ["root", "_chrony", "nobody", "netdr"]
    assert (shadow.mode, shadow.owner) == (0o640, "root:shadow")


def test_host_keys_are_made_fresh_and_shown_to_nobody() -> None:
    one, other = host_key(), host_key()
    assert one.public != other.public
    assert one.public.startswith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5")
    assert one.private.reveal().startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "PRIVATE" not in repr(one)


def test_nothing_is_known_of_nobody() -> None:
    assert known_hosts([], {}) == ""
