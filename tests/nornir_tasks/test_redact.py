from __future__ import annotations

import pytest

from netdr.kernel.secret import Secret
from nornir_tasks.redact import redact

KEY = b"k" * 32
SECRETS = {"ospf-key": Secret("canary"), "long": Secret("canary-and-more"), "snmp-auth": Secret("passphrase!")}


def test_known_secrets_become_their_name_and_fingerprint_wherever_they_stand() -> None:
    mark = SECRETS["ospf-key"].fingerprint(KEY)
    assert redact("a canary.\n+canary\n", SECRETS, KEY) == f"a <ospf-key fp:{mark}>.\n+<ospf-key fp:{mark}>\n"


def test_a_secret_that_begins_with_another_is_hidden_whole() -> None:
    assert redact("x canary-and-more x", SECRETS, KEY) == f"x <long fp:{SECRETS['long'].fingerprint(KEY)}> x"


@pytest.mark.parametrize(
    "line",
    [
        " ip ospf message-digest-key 1 md5 {}",
        "+ ip ospf message-digest-key 1 md5 {}",
        "line 3: unknown command: neighbor 10.1.0.9 password {} there",
        "createUser reader SHA-256 -l 0x57b936b1c0805d4ad3c160569552228885d1df604dbb3fc2a7d0acd7f88a9f73 AES -l 0x{}",
    ],
)
def test_secrets_that_are_not_ours_are_hidden_by_the_place_they_stand_in(line: str) -> None:
    foreign = "2fa84089b03e665ac1fd5a969a9d2520"
    shown = redact(line.format(foreign), SECRETS, KEY)
    assert foreign not in shown
    assert "57b936b1" not in shown
    assert f"<secret fp:{Secret(foreign).fingerprint(KEY)}>" in shown


def test_equal_secrets_look_equal_and_only_to_who_has_the_key() -> None:
    line = "neighbor 10.1.0.9 password {}\n"
    same = redact(line.format("one") * 2, SECRETS, KEY).splitlines()
    assert same[0] == same[1]
    assert same[0] != redact(line.format("two"), SECRETS, KEY).rstrip()
    assert same[0] != redact(line.format("one"), SECRETS, b"another key").rstrip()


def test_what_is_redacted_stays_as_it_is() -> None:
    once = redact(" ip ospf message-digest-key 1 md5 foreign\n neighbor 1.2.3.4 password canary\n", SECRETS, KEY)
    assert redact(once, SECRETS, KEY) == once
