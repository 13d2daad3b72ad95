"""What a stream decides: pure functions."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backup.duty import Duty
from backup.host import Result
from backup.stream import origin, retention, scram, standing, tend, wal, wire
from backup.stream.archive import Archive, Base, Stretch
from backup.stream.link import Link, Offer
from backup.stream.recover import candidates
from backup.stream.standing import Standing
from backup.stream.wal import Segment
from backup.stream.wire import State
from inventory.asset import Asset, Postgres, Protection, Retention
from inventory.entry import Name
from netdr.kernel.errors import BackupError
from netdr.kernel.secret import Secret

MB16 = 16 * 2**20
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
STATE = State(system="7", timeline=1, flushed=1000, slot=True, received=900, keep="8GB")
STRETCH = Stretch(Path("/nowhere/20261123T120000000Z"), "7", MB16)
OFFER = Offer("main", "srv-1", "10.0.0.1", 5432, "7", 15, MB16, "PEM")


DUTY = Duty(
    Asset(
        id="cases",
        name=Name(zh="案件", en="Cases"),
        home="main",
        standby="dr",
        protection="tier-1",
        data=(Postgres(kind="postgresql", database="cases"),),
    ),
    "standby",
    Protection.model_validate(
        {
            "id": "tier-1",
            "rpo": "15m",
            "rto": "30m",
            "every": "5m",
            "stream": True,
            "retention": {"last": 2},
            "copies": ({"at": "standby", "media": "disk"},),
            "proof": {"every": "1d", "read_within": "30d"},
        }
    ),
)


def base(day: int, hour: int = 3, **fields: int) -> Base:
    ended = NOON.replace(day=day, hour=hour)
    made = Base(f"{day:02}-{hour:02}", ended - timedelta(minutes=1), ended, 1, day * MB16, day * MB16 + 99, 1, 15)
    return replace(made, **fields)


# PostgreSQL manual: 16 MB segments, 256 to each of what were once called log files; 64 MB ones: 64.
@pytest.mark.parametrize(
    ("place", "size", "name"),
    [
        ("0/1000028", MB16, "000000010000000000000001"),
        ("0/FF000000", MB16, "0000000100000000000000FF"),
        ("1/0", MB16, "000000010000000100000000"),
        ("16/B374D848", MB16, "0000000100000016000000B3"),
        ("16/B374D848", 4 * MB16, "00000001000000160000002C"),
    ],
)
def test_names_of_segments(place: str, size: int, name: str) -> None:
    position = wal.position(place)
    assert wal.written(position) == place
    assert Segment(1, position // size).name(size) == name
    assert wal.segments([name], size) == (Segment(1, position // size),)


def test_what_is_no_position() -> None:
    with pytest.raises(BackupError, match="'here' is no position"):
        wal.position("here")


def test_other_files_are_no_segments() -> None:
    names = ["00000002.history", "archive_status", "000000010000000000000002.partial", "000000010000000000000001"]
    assert wal.segments(names, MB16) == (Segment(1, 1), Segment(1, 2, whole=False))


def test_a_gap_is_named() -> None:
    names = ["000000010000000000000003", "000000010000000000000005", "000000010000000000000007.partial"]
    found = wal.segments(names, MB16)
    assert wal.missing(found, 1, 3 * MB16, MB16) == ("000000010000000000000004", "000000010000000000000006")
    assert wal.missing(found, 1, 2 * MB16 + 5, MB16)[0] == "000000010000000000000002"
    assert wal.missing(found[:1], 1, 3 * MB16, MB16) == ()


def test_a_segment_left_half_written_is_missing() -> None:
    names = ["000000010000000000000003.partial", "000000010000000000000004"]
    assert wal.missing(wal.segments(names, MB16), 1, 3 * MB16, MB16) == ("000000010000000000000003",)


def test_a_later_timeline_goes_on_where_the_former_ended() -> None:
    names = ["000000010000000000000003", "000000020000000000000004", "000000020000000000000006.partial"]
    assert wal.missing(wal.segments(names, MB16), 1, 3 * MB16, MB16) == ("000000020000000000000005",)


def test_log_before_a_base_backup() -> None:
    names = [f"0000000100000000000000{number:02X}" for number in range(1, 6)]
    found = wal.segments([*names, "000000010000000000000006.partial"], MB16)
    assert wal.before(found, 4 * MB16 + 40, MB16) == tuple(names[:3])


def test_the_verifier_is_the_one_of_the_standard() -> None:
    # RFC 7677, section 3: user "user", password "pencil", this salt and 4096 iterations give the server signature
    # 6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4= of the exchange quoted there.
    made = scram.verifier(Secret("pencil"), b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")).reveal()
    head, _, keys = made.rpartition("$")
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    first = "n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    words = f"{first},{nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,{nonce}"
    signature = hmac.digest(b64decode(keys.partition(":")[2]), words.encode(), "sha256")
    assert b64encode(signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_every_verifier_has_its_own_salt() -> None:
    assert scram.verifier(Secret("pencil")) != scram.verifier(Secret("pencil"))


def test_our_line_is_the_first_and_there_once() -> None:
    text = "# comment\nhost all all 0.0.0.0/0 reject\n"
    once = origin.admitted(text, "10.0.0.9")
    assert once.splitlines()[1] == "hostssl replication netdr_stream 10.0.0.9/32 scram-sha-256"
    assert once.endswith(text)
    moved = origin.admitted(once, "10.0.0.8")
    assert "10.0.0.9" not in moved
    assert moved.endswith(text)
    assert origin.admitted(moved, "10.0.0.8") == moved


def test_how_much_log_waits_for_an_absent_dr_site() -> None:
    assert origin.keep_mb(100 * 2**30) == 25 * 1024
    assert origin.keep_mb(10 * 2**20) == 1024


@pytest.mark.parametrize(
    ("state", "stretch", "slot", "why"),
    [
        (STATE, STRETCH, False, ""),
        (STATE, None, False, "first"),
        (replace(STATE, slot=False, received=None), None, True, "first"),
        (replace(STATE, system="8"), STRETCH, False, "another cluster: 8 instead of 7"),
        (replace(STATE, received=None), STRETCH, True, "the source threw away log that had not been received"),
        (replace(STATE, slot=False, received=None), STRETCH, True, "the slot was gone"),
    ],
)
def test_what_a_stream_needs(state: State, stretch: Stretch | None, slot: bool, why: str) -> None:
    found = tend.need(state, stretch)
    assert (found.slot, found.stretch) == (slot, why)


def test_when_a_base_backup_is_due() -> None:
    assert tend.due((), NOON) == "there is none"
    assert tend.due((base(22, 13),), NOON) == ""
    assert tend.due((base(20), base(22, 3)), NOON) == "the newest is 33 h old"


def test_an_unlimited_source_is_refused() -> None:
    wire.require_limit(STATE, Link(OFFER, Path("/x"), Path("/y")))
    with pytest.raises(BackupError, match="max_slot_wal_keep_size is unlimited there"):
        wire.require_limit(replace(STATE, keep="-1"), Link(OFFER, Path("/x"), Path("/y")))


# libpq's words, version 15, each seen.
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("SSL error: certificate verify failed", "does not show the pinned certificate"),
        ('server certificate for "a" does not match host name "b"', "does not show the pinned certificate"),
        ('FATAL:  password authentication failed for user "netdr_stream"', "refused the password"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9"', "does not let this host in"),
        ("connection to server at x failed: Connection refused", "does not answer"),
        ('ERROR:  replication slot "netdr_stream" is active for PID 1', "does not do what was asked"),
    ],
)
def test_why_the_source_says_no(words: str, what: str) -> None:
    found = wire.refusal(Link(OFFER, Path("/x"), Path("/y")), Result(1, "", words))
    assert what in str(found)
    assert words in found.why


def test_an_offer_survives_its_journey() -> None:
    assert Offer.of(OFFER.reveal()) == OFFER
    with pytest.raises(BackupError, match="offer to stream cannot be read"):
        Offer.of({"site": "main"})


def test_bases_that_are_kept_and_why() -> None:
    bases = [base(20, 3), base(21, 3), base(21, 15), base(22, 3), base(23, 3), base(23, 9)]
    kept = retention.keep(bases, Retention(last=2, daily=3, monthly=99), {"20-03": "proven"})
    assert kept == {
        "20-03": "proven",
        "21-15": "daily 3 of 3",
        "22-03": "daily 2 of 3",
        "23-03": "number 2 of last 2",
        "23-09": "number 1 of last 2",
    }
    assert list(retention.keep(bases, Retention(), {})) == ["23-09"]


def test_log_goes_with_the_oldest_base_that_needs_it() -> None:
    bases = [base(2), base(3), base(5)]
    found = wal.segments([f"0000000100000000000000{number:02X}" for number in range(1, 7)], MB16)
    excess = retention.surplus(bases, {"03-03": "x", "05-03": "y"}, found, MB16)
    assert excess.bases == ("02-03",)
    assert excess.files == ("000000010000000000000001", "000000010000000000000002")


def test_assets_that_share_a_stream_keep_what_any_of_them_keeps() -> None:
    rules = [Retention(last=3, daily=2), Retention(last=1, daily=9)]
    assert retention.most_generous(rules) == Retention(last=3, daily=9)


def archive(top: Path, *bases: Base) -> Archive:
    folder = top / "20261120T000000000Z"
    (folder / "base").mkdir(parents=True)
    (folder / "stretch.json").write_text('{"system": "7", "segment": 16777216}')
    for one in bases:
        Archive(top).stretches()[0].keep(one)
    return Archive(top)


def test_a_recovery_begins_at_the_newest_base_before_its_moment(tmp_path: Path) -> None:
    kept = archive(tmp_path, base(20), base(21), base(22))
    found = candidates(kept, NOON.replace(day=21), NOON)
    assert [point.base.id for point in found] == ["21-03", "20-03"]
    assert candidates(kept, None, NOON)[0].base.id == "22-03"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOON + timedelta(seconds=1), "is in the future"),
        (NOON.replace(day=19), "is before the oldest base backup"),
    ],
)
def test_moments_that_no_base_leads_to(tmp_path: Path, at: datetime, words: str) -> None:
    with pytest.raises(BackupError, match=words):
        candidates(archive(tmp_path, base(20)), at, NOON)


def test_without_a_base_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no base backup yet"):
        candidates(archive(tmp_path), None, NOON)


GOOD = Standing(received=1.0, complete=30.0, base=3600.0, proven=7200.0, proof="passed", receiving=True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"received": None}, ["the stream of cases has brought nothing"]),
        ({"received": 901.0}, ["the stream of cases has brought nothing for 901 s"]),
        ({"receiving": False}, ["nothing receives the stream of cases"]),
        ({"base": 172801.0}, ["the newest base backup of cases is 48 h old"]),
        ({"base": None, "proof": "none"}, ["the newest base backup of cases does not exist"]),
        ({"proof": "failed"}, ["the last proof of the stream of cases failed"]),
    ],
)
def test_what_breaks_the_promise(changed: dict[str, object], words: list[str]) -> None:
    found = standing.judge(DUTY, replace(GOOD, **changed), "srv-dr")
    assert [str(problem) for problem in found] == [f"srv-dr: {word}" for word in words]
