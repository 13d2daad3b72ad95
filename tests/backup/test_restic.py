from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup.host import Result
from backup.restic import (
    FEATURES,
    Rates,
    Reason,
    Repository,
    Restic,
    ResticError,
    Shown,
    Way,
    classify,
    parse_version,
    supports,
)
from backup.restic.client import PREFIX
from backup.testing import FakeShell, when
from netdr.kernel.errors import BackupError, MissingError

HOME = Repository("/srv/restic/approval", Path("/etc/a/home.repository"), Path("/etc/a/home.password"))
FAR = Repository("https://dr/approval/", Path("/etc/a/far.repository"), Path("/etc/a/far.password"), Path("/etc/ca"))

# What restic 0.14.0 of Debian 12 wrote to stderr on the reference machine.
SEEN = {
    "Fatal: wrong password or no key found": Reason.WRONG_PASSWORD,
    "Fatal: unable to open config file: stat /tmp/none/config: no such file or directory\n"
    "Is there a repository at the following location?\n/tmp/none": Reason.NO_REPOSITORY,
    'Fatal: unable to open config file: client.Head: Head "http://u:***@127.0.0.1:9/x/config": dial tcp 127.0.0.1:9: '
    "connect: connection refused\nIs there a repository at the following location?\nrest:http": Reason.UNREACHABLE,
    "Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\n"
    "Is there a repository at the following location?\nrest:https://a:***@127.0.0.1:18000/a/": Reason.CREDENTIAL,
    "Fatal: unable to open config file: unexpected HTTP response (403): 403 Forbidden": Reason.CREDENTIAL,
    'Fatal: unable to open config file: client.Head: Head "https://a:***@127.0.0.1/a/config": x509: certificate '
    "signed by unknown authority\nIs there a repository at the following location?": Reason.CERTIFICATE,
    "Save(<data/ff096bd5ee>) returned error, retrying after 552.330144ms: server response unexpected: 500 Internal "
    "Server Error (500)\nSave(<data/ff096bd5ee>) returned error, retrying after 1s: server response unexpected: 403 "
    "Forbidden (403)": Reason.NOT_STORED,
    "Remove(<snapshot/1c1c13ba8b>) returned error, retrying after 1s: blob not removed, server response: 403 "
    "Forbidden (403)\nunable to remove <snapshot/1c1c13ba8b> from the repository": Reason.APPEND_ONLY,
    "ignoring error for /f1: ciphertext verification failed\nFatal: There were 2 errors": Reason.DAMAGED,
    "could not load snapshot 76a5820e: load <snapshot/76a5820ebe>: invalid data returned": Reason.DAMAGED,
    "Pack ID does not match, want c34eb75e, got 52d504b9\nFatal: repository contains errors": Reason.DAMAGED,
    'invalid id "deadbeef": no matching ID found for prefix "deadbeef"': Reason.NO_SNAPSHOT,
    "nothere does not exist, skipping\nFatal: all target directories/files do not exist": Reason.SOURCE,
    "Fatal: unable to save snapshot: write /srv/x: no space left on device": Reason.DISK_FULL,
    "Fatal: something nobody has seen": Reason.UNKNOWN,
    "": Reason.UNKNOWN,
}


@pytest.mark.parametrize(("err", "reason"), SEEN.items())
def test_restic_0_14_says_1_for_everything(err: str, reason: Reason) -> None:
    assert classify(Result(1, "", err)) is reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (3, Reason.SOURCE),
        (10, Reason.NO_REPOSITORY),
        (11, Reason.LOCKED),
        (12, Reason.WRONG_PASSWORD),
        (130, Reason.INTERRUPTED),
        (2, Reason.UNKNOWN),
        (99, Reason.UNKNOWN),
        (-9, Reason.UNKNOWN),
    ],
)
def test_newer_versions_have_codes_and_an_unknown_one_is_a_failure(code: int, reason: Reason) -> None:
    assert classify(Result(code, "", "")) is reason


def test_success_has_no_reason() -> None:
    assert classify(Result(0, "", "some warning")) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [("restic 0.14.0 compiled with go1.19.8 on linux/amd64", (0, 14)), ("restic 0.19.1-dev compiled", (0, 19))],
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version


def test_another_program_of_that_name() -> None:
    with pytest.raises(MissingError, match="not a restic"):
        parse_version("express connector 3.1")


def test_a_restic_that_cannot_do_what_copy_needs() -> None:
    with pytest.raises(MissingError, match=r"older than 0\.14"):
        _ = Restic(FakeShell([when("version", out="restic 0.12.1 compiled")]), None).version


def test_the_table_says_what_is_done_without_a_feature() -> None:
    assert not supports((0, 14), "retry-lock")
    assert supports((0, 16), "retry-lock")
    assert all(one.otherwise and one.reason and (0, 14) <= one.since <= (0, 19) for one in FEATURES.values())


def test_no_command_line_holds_a_secret_or_an_address() -> None:
    shell = FakeShell([when("version", out="restic 0.19.1 compiled"), when("copy"), when("init")])
    restic = Restic(shell, Path("/var/cache/netdr/restic"))
    restic.copy(HOME, FAR, ["76a5"], Way(10, Rates(upload=6103)))
    restic.init(FAR, like=HOME)
    assert shell.calls[1] == (
        *PREFIX, "restic", "copy", "--retry-lock", "1m",
        "--from-repository-file", "/etc/a/home.repository", "--from-password-file", "/etc/a/home.password",
        "--limit-upload", "6103", "76a5",
        "--repository-file", "/etc/a/far.repository", "--password-file", "/etc/a/far.password", "--cacert", "/etc/ca",
        "--cache-dir", "/var/cache/netdr/restic",
    )  # fmt: skip
    assert "--copy-chunker-params" in shell.calls[2]
    assert not [word for call in shell.calls for word in call if "https://" in word]


def test_0_14_copies_without_waiting_for_locks() -> None:
    shell = FakeShell([when("version", out="restic 0.14.0 compiled"), when("copy")])
    Restic(shell, None).copy(HOME, FAR, ["76a5"], Way(10))
    assert "--retry-lock" not in shell.calls[1]
    assert "--no-cache" in shell.calls[1]


def test_a_backup_returns_its_snapshot() -> None:
    status = '{"message_type":"status","percent_done":0.5}\n'
    summary = '{"message_type":"summary","files_new":2,"snapshot_id":"531369a1"}\n'
    restic = Restic(FakeShell([when("backup", out=status + summary)]), None)
    saved = restic.backup(HOME, Shown(Path("/stage")), tags=["a:b"], limit=10)
    assert (saved.id, saved.changed, saved.packed) == ("531369a1", 2, None)


@pytest.mark.parametrize("out", ["", '{"message_type":"status"}\n', '{"message_type":"summary"}\n'])
def test_a_backup_that_names_no_snapshot_is_a_failure(out: str) -> None:
    restic = Restic(FakeShell([when("backup", out=out)]), None)
    with pytest.raises(BackupError, match="did not say which"):
        restic.backup(HOME, Shown(Path("/stage")), tags=[], limit=10)


def test_snapshots_are_read_oldest_first() -> None:
    # Lines of `restic snapshots --json` of 0.14; times have nine digits.
    newer = {"time": "2026-11-23T01:56:05.451534361Z", "id": "1c1c", "hostname": "srv-1", "original": "76a5"}
    older = {"time": "2026-11-23T01:51:56.675204052Z", "id": "68c8", "hostname": "srv-1", "tags": ["service:portal"]}
    found = Restic(FakeShell([when("snapshots", out=json.dumps([newer, older]))]), None).snapshots(HOME)
    assert [one.id for one in found] == ["68c8", "1c1c"]
    assert found[0].time == datetime(2026, 11, 23, 1, 51, 56, 675204, tzinfo=UTC)
    assert (found[0].source, found[1].source) == ("68c8", "76a5")
    assert (found[0].tag("service"), found[0].tag("manifest")) == ("portal", "")


@pytest.mark.parametrize("out", ["null", "[]", ""])
def test_no_snapshots(out: str) -> None:
    assert Restic(FakeShell([when("snapshots", out=out)]), None).snapshots(HOME) == ()


def test_a_snapshot_that_cannot_be_read_is_a_failure_although_the_code_is_0() -> None:
    err = "could not load snapshot 76a5820e: load <snapshot/76a5820ebe>: invalid data returned\n"
    with pytest.raises(ResticError) as caught:
        Restic(FakeShell([when("snapshots", out="[]", err=err)]), None).snapshots(HOME)
    assert caught.value.reason is Reason.DAMAGED


def test_an_error_says_where_why_and_what_next() -> None:
    err = "Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\nIs there\n"
    with pytest.raises(ResticError) as caught:
        Restic(FakeShell([when("snapshots", code=1, err=err)]), None).snapshots(FAR)
    assert caught.value.report() == (
        "https://dr/approval/: the backup server refused the credential: unable to open config file: unexpected HTTP "
        "response (401): 401 Unauthorized\n  hint: run netdr backup init to hand the credentials over again"
    )
