"""Shares, seals, the bundle, and who keeps it. The shares quoted are the test vectors of SLIP-39."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from nacl.bindings import crypto_box_seal_open
from shamir_mnemonic import combine_mnemonics

from backup.duty import Book, Duty, Role
from backup.escrow import keep, recover, seal, shares, spread
from backup.escrow.bundle import Box, Bundle
from backup.escrow.keep import Keeper
from backup.escrow.shares import Set
from backup.host import Result
from backup.remote import Hosts
from backup.report import JobReport, dump
from backup.repository import Layout, write_private
from backup.testing import FakeShell
from inventory import load
from inventory.asset import Asset, Files, Protection
from inventory.entry import Name
from netdr.cli import root
from netdr.kernel.errors import BackupError, Problems, RecoveryError, UsageError
from netdr.kernel.secret import Secret

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
# SLIP-39's vectors 23 (2 of 2), 13 (their digest is wrong) and 2 (the checksum is wrong).
GOOD = (
    """humidity disease academic always aluminum jewelry energy woman receiver strategy amuse duckling lying evidence
    network walnut tactics forget hairy rebound impulse brother survive clothes stadium mailman rival ocean reward
    venture always armed unwrap""",
    """humidity disease academic agency actress jacket gross physics cylinder solution fake mortgage benefit public busy
    prepare sharp friar change work slow purchase ruler again tricycle involve viral wireless mixture anatomy desert
    cargo upgrade""",
)
FORGED = (
    """guilt walnut academic acid deliver remove equip listen vampire tactics nylon rhythm failure husband fatigue alive
    blind enemy teaspoon rebound""",
    """guilt walnut academic agency brave hamster hobo declare herd taste alpha slim criminal mild arcade formal romp
    branch pink ambition""",
)
DAMAGED = (
    "duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband erode duke "
    "ajar critical decision kidney"
)
# SLIP-39: the first fifteen bits are the set's number, ten to a word; "humidity" is word 446 and "disease" 226 of its
# list, from 0 on: (446 << 5) | (226 >> 5) = 14279. "guilt" is 417 and "walnut" 992: (417 << 5) | (992 >> 5) = 13375.
HUMIDITY, GUILT = Set(14279, 2), Set(13375, 2)


def named(*words: str) -> dict[str, str]:
    return {f"share-{number}": one for number, one in enumerate(words, start=1)}


def problems(texts: dict[str, str], wanted: Set) -> list[str]:
    with pytest.raises(Problems) as caught:
        shares.join(texts, wanted)
    assert all(isinstance(one, RecoveryError) for one in caught.value.problems)
    return [str(one) for one in caught.value.problems]


def test_any_three_of_five_are_enough_and_other_software_joins_them() -> None:
    secret = bytes(range(32))
    words, made = shares.split(secret, 3, 5)
    assert (len(words), made.threshold, shares.numbers(words)) == (5, 3, (1, 2, 3, 4, 5))
    for some in itertools.permutations(words, 3):
        texts = named(*(one.reveal() for one in some))
        assert shares.join(texts, made) == secret
        assert combine_mnemonics(list(texts.values())) == secret
    assert shares.join(named(*(one.reveal() for one in words)), made) == secret, "more do no harm"


def test_the_set_is_the_one_that_the_standard_numbers() -> None:
    assert len(shares.join(named(*GOOD), HUMIDITY)) == 32


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 3), (4, 3), (2, 17), (0, 0)])
def test_numbers_that_do_not_fit(threshold: int, count: int) -> None:
    with pytest.raises(UsageError, match="is not possible"):
        shares.split(bytes(32), threshold, count)


def test_too_few() -> None:
    assert problems(named(GOOD[0]), HUMIDITY) == ["1 usable share of set 14279, 2 are needed"]
    assert problems({}, HUMIDITY) == ["0 usable shares of set 14279, 2 are needed"]


def test_the_same_share_twice() -> None:
    found = problems(named(GOOD[0], GOOD[0]), HUMIDITY)
    assert found[0] == "share-2: the same share twice: it is the share of share-1"
    assert "1 usable share" in found[1]


def test_a_share_of_another_set() -> None:
    found = problems(named(GOOD[0], FORGED[0]), HUMIDITY)
    assert found[0].startswith("share-2: a share of another set: it is of set 13375")


def test_a_damaged_share_is_named_and_no_word_of_it_is() -> None:
    for changed in (DAMAGED, GOOD[1].replace("physics", "physical"), GOOD[1].replace("physics", "phisics")):
        found = problems(named(GOOD[0], changed), HUMIDITY)
        assert found[0].startswith("share-2: a share cannot be read")
        assert not {*changed.split()} & {*" ".join(found).replace(",", "").split()}
    assert "word 8 is not in SLIP-39's list" in found[0]


def test_forged_shares() -> None:
    with pytest.raises(RecoveryError, match="share-1, share-2: the shares do not make a secret together"):
        shares.join(named(*FORGED), GUILT)


def test_a_seal_is_libsodiums_and_opens_with_the_private_key_only() -> None:
    private = seal.new_key()
    closed = seal.close(seal.public(private), Secret("a password"))
    assert closed != seal.close(seal.public(private), Secret("a password"))
    raw = base64.b64decode(closed)
    assert crypto_box_seal_open(raw, bytes.fromhex(seal.public(private)), private) == b"a password"
    assert seal.open_(private, closed, "x").reveal() == "a password"
    for wrong in (seal.new_key(), private):
        with pytest.raises(RecoveryError, match="x: a sealed secret cannot be opened"):
            seal.open_(wrong, closed if wrong != private else closed[:-8] + "AAAAAAA=", "x")


def host(top: Path, names: Sequence[str], role: Role = "standby") -> tuple[Book, Layout]:
    layout = Layout.under(top)
    protection = Protection.model_construct(id="p")
    duties = {}
    for name in names:
        asset = Asset(
            id=name, name=Name(zh="甲", en="A"), home="main", standby="cave", protection="p",
            data=(Files(kind="files", path="/srv/a"),),
        )  # fmt: skip
        duties[name] = Duty(asset, role, protection)
        write_private(layout.credentials / name / "standby.password", f"word of {name}\n")
    return Book("srv-b", "services", "10.0.0.1", duties), layout


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    return keep.split(tmp_path / "shares", 2, 3, NOON)


def texts(folder: Path, *numbers: int) -> dict[str, str]:
    paths = [folder / "shares" / f"share-{number}-of-3.txt" for number in numbers]
    return {path.name: path.read_text() for path in paths}


def test_each_share_is_a_file_for_paper(tmp_path: Path, made: Bundle) -> None:
    paths = sorted((tmp_path / "shares").iterdir())
    assert [path.name for path in paths] == ["share-1-of-3.txt", "share-2-of-3.txt", "share-3-of-3.txt"]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert "share 2 of 3. Any 2 of them" in paths[1].read_text()
    # 33 words for 256 bits: SLIP-39.
    assert len(keep.words(paths[0].read_text()).split()) == 33
    assert keep.words(paths[0].read_text()) not in made.dump()
    with pytest.raises(UsageError, match=r"there is already share-1-of-3\.txt"):
        keep.split(tmp_path / "shares", 2, 3, NOON)


def test_passwords_are_sealed_without_shares_and_opened_with_enough(tmp_path: Path, made: Bundle) -> None:
    book, layout = host(tmp_path / "b", ["records", "permits"])
    keeper = Keeper.host(layout)
    bundle = keep.close(keeper, made, keep.of_host(book, layout), NOON)
    assert sorted(bundle.boxes) == ["srv-b/permits/standby", "srv-b/records/standby"]
    assert "word of" not in bundle.dump()
    opened = recover.unlock(bundle, texts(tmp_path, 1, 3))
    assert {name: one.reveal() for name, one in opened.items()} == {
        "srv-b/permits/standby": "word of permits", "srv-b/records/standby": "word of records",
    }  # fmt: skip
    with pytest.raises(Problems, match="1 usable share"):
        recover.unlock(bundle, texts(tmp_path, 2))


def test_a_rotated_password_is_missed_until_it_is_sealed(tmp_path: Path, made: Bundle) -> None:
    book, layout = host(tmp_path / "b", ["records"])
    keeper, secrets = Keeper.host(layout), keep.of_host(book, layout)
    first = keep.close(keeper, made, secrets, NOON)
    assert keep.check(keeper, secrets)["digest"] == first.digest
    assert keep.close(keeper, made, secrets, NOON + timedelta(1)) == first, "nothing changed: nothing is sealed again"
    write_private(layout.disk("records").password, "another\n")
    with pytest.raises(Problems, match="srv-b/records/standby has changed since it was sealed"):
        keep.check(keeper, keep.of_host(book, layout))
    second = keep.close(keeper, first, keep.of_host(book, layout), NOON + timedelta(1))
    assert keep.check(keeper, keep.of_host(book, layout))
    assert recover.unlock(second, texts(tmp_path, 1, 2))["srv-b/records/standby"].reveal() == "another"


def test_what_was_never_sealed_is_missed(tmp_path: Path, made: Bundle) -> None:
    book, layout = host(tmp_path / "b", ["records"])
    keeper = Keeper.host(layout)
    with pytest.raises(BackupError, match="there is no escrow here"):
        keep.check(keeper, {})
    keeper.write(made)
    with pytest.raises(Problems, match="srv-b/records/standby is not in the escrow"):
        keep.check(keeper, keep.of_host(book, layout))
    layout.disk("records").password.unlink()
    with pytest.raises(BackupError, match="a secret for the escrow is missing"):
        keep.of_host(book, layout)


def test_a_home_host_keeps_the_bundle_and_seals_nothing(tmp_path: Path, made: Bundle) -> None:
    book, layout = host(tmp_path / "a", ["records"], "home")
    assert keep.close(Keeper.host(layout), made, keep.of_host(book, layout), NOON).boxes == {}


def test_shares_of_another_escrow(tmp_path: Path, made: Bundle) -> None:
    other = keep.split(tmp_path / "other" / "shares", 2, 3, NOON)
    with pytest.raises(Problems, match="a share of another set"):
        recover.unlock(made, texts(tmp_path / "other", 1, 2))
    same_number = Bundle(made.public, other.shares, 3, NOON, {})
    with pytest.raises(RecoveryError, match="the shares are sound, but not for this bundle"):
        recover.unlock(same_number, texts(tmp_path / "other", 1, 2))


def test_a_bundle_comes_back_and_a_damaged_one_is_named(made: Bundle) -> None:
    full = made.adding({"x": Box("c2VhbGVk", "0a1b2c3d", NOON)})
    assert Bundle.load(full.dump(), "here") == full
    assert full.adding({"x": Box("old", "m", NOON - timedelta(1))}) == full, "the later one stays"
    for text in ("", "[]", "{}", full.dump().replace('"format": 1', '"format": 2'), full.dump()[:-20]):
        with pytest.raises(BackupError, match=r"^here: the escrow's bundle"):
            Bundle.load(text, "here")


def test_another_escrow_takes_the_place_of_an_older_one_only(tmp_path: Path, made: Bundle) -> None:
    keeper = Keeper(tmp_path / "escrow.json", tmp_path / "escrow.key")
    keeper.write(made)
    newer = keep.split(tmp_path / "newer", 2, 3, NOON + timedelta(1))
    keeper.write(newer)
    assert keeper.read() == newer
    with pytest.raises(BackupError, match="a newer escrow is kept here"):
        keeper.write(made)


def test_every_host_ends_with_the_same_bundle(tmp_path: Path, made: Bundle) -> None:
    """Hosts as folders; what crosses the ssh session is the bundle and the reports."""
    network = load.network(Path(__file__).parents[1] / "districts" / "linwu")
    places = {"a": host(tmp_path / "a", ["records"], "home"), "b": host(tmp_path / "b", ["records"])}
    silent = {"c": FakeShell([], name="c")}

    class Way(FakeShell):
        def run(self, argv: Sequence[str], *, stdin: str = "", **_: object) -> Result:  # type: ignore[override]
            book, layout = places[self.name]
            keeper, secrets = Keeper.host(layout), keep.of_host(book, layout)
            if "seal" in argv:
                kept = keep.close(keeper, Bundle.load(stdin, "stdin"), secrets, NOON)
                facts: dict[str, object] = {"bundle": kept.dump(), "digest": kept.digest}
            else:
                facts = dict(keep.check(keeper, secrets))
            return Result(0, dump((JobReport("escrow", self.name, argv[3], 0.0, {}, facts),)), "")

    hosts = Hosts(network, lambda name: silent.get(name) or Way([], name=name))
    full, reports = spread.seal(hosts, ["a", "b"], made.adding({"vault": Box("x", "y", NOON)}))
    assert sorted(full.boxes) == ["srv-b/records/standby", "vault"]
    assert {Keeper.host(layout).read().digest for _, layout in places.values()} == {full.digest}
    assert all(one.ok for one in (*reports, *spread.check(hosts, ["a", "b"], full)))
    Keeper.host(places["a"][1]).bundle.write_text(made.dump())
    (first, second) = spread.check(hosts, ["a", "b"], full)
    assert "not the one of the other machines" in first.problems[0].what
    assert second.ok


def test_shares_are_made_from_the_command_line_and_never_shown(tmp_path: Path) -> None:
    linwu = str(Path(__file__).parents[1] / "districts" / "linwu")
    argv = ["-i", linwu, "--state", str(tmp_path / "state"), "backup", "escrow", "split", "--json"]
    made = CliRunner().invoke(root, [*argv, "--into", str(tmp_path / "shares"), "--shares", "3", "--threshold", "2"])
    assert made.exit_code == 0, made.output
    facts = json.loads(made.output)
    bundle = Keeper.controller(tmp_path / "state").read()
    assert (facts["set"], facts["threshold"], facts["shares"]) == (bundle.shares.number, 2, 3)
    written = texts(tmp_path, 1, 2, 3)
    assert recover.unlock(bundle, written) == {}
    assert not [share for share in written.values() if keep.words(share) in made.output]
    again = CliRunner().invoke(root, [*argv, "--into", str(tmp_path / "more"), "--threshold", "9"])
    assert isinstance(again.exception, UsageError)
    assert not (tmp_path / "more").exists()
