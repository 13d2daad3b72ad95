"""What looks like ransomware and what does not: by hand, and on a real tree encrypted in place."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import brake, manifest
from backup.brake import CANARY, Signs, compare, judge
from backup.ledger import Ledger
from backup.manifest import Entry, Manifest
from inventory.asset import Brake, Files, Postgres

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULE = Brake(changed=0.5, deleted=0.3, packed=1.5)
NORMAL = [Signs(0.03, 0, packed) for packed in (0.39, 0.36, 0.37)]


def made(files: Mapping[str, str], size: int = 100_000) -> Manifest:
    entries = tuple(Entry(path, "file", 0o644, size, digest) for path, digest in files.items())
    return Manifest("x", "srv-a", NOON, entries, {})


def tree(count: int, version: str = "", top: str = "files/srv/x") -> dict[str, str]:
    return {f"{top}/{number:03}": f"{number}{version}" for number in range(count)}


def test_a_normal_day() -> None:
    before, after = tree(100), {**tree(100), **tree(3, "new"), "files/srv/x/added": "a"}
    signs = compare(made(before), made(after), 0.36)
    assert signs == Signs(0.03, 0, 0.36)
    assert judge(signs, NORMAL, RULE) == ()


def test_encrypted_in_place() -> None:
    signs = compare(made(tree(100)), made(tree(100, "encrypted")), 0.99)
    assert signs == Signs(1, 0, 0.99)
    assert judge(signs, NORMAL, RULE) == ("100% of the files changed and new data takes 0.99 of its size, 0.37 before",)


def test_encrypted_under_new_names() -> None:
    after = {f"{path}.locked": f"{digest}x" for path, digest in tree(100).items()}
    assert judge(compare(made(tree(100)), made(after), 0.99), NORMAL, RULE) == ("100% of what there was is gone",)


def test_a_large_upload_deletes_and_changes_nothing() -> None:
    signs = compare(made(tree(100)), made({**tree(100), **tree(900, top="files/srv/x/photos")}), 0.98)
    assert signs == Signs(0, 0, 0.98)
    assert judge(signs, NORMAL, RULE) == ()


def test_everything_written_anew_but_in_clear() -> None:
    assert judge(Signs(1, 0, 0.38), NORMAL, RULE) == ()


def test_moved_files_are_not_gone() -> None:
    moved = {path.replace("/x/", "/x/2025/"): digest for path, digest in tree(100).items()}
    assert compare(made(tree(100)), made(moved), None).deleted == 0


@pytest.mark.parametrize(("left", "share"), [(91, 0), (90, 0.1), (69, 0.31), (0, 1)])
def test_deletions_of_a_few_files_say_nothing(left: int, share: float) -> None:
    after = dict(list(tree(100).items())[:left])
    assert compare(made(tree(100)), made(after), None).deleted == share


def test_an_emptied_tree_of_three_files() -> None:
    assert judge(compare(made(tree(3)), made({}), None), NORMAL, RULE) == ("100% of what there was is gone",)


def test_names_in_a_dump_mean_nothing() -> None:
    """A new table gives every table's file in a dump another name."""
    before = {f"postgresql/case/dump/{3000 + n}.dat": f"{n}" for n in range(20)}
    after = {f"postgresql/case/dump/{4000 + n}.dat": f"{n}" for n in range(21)}
    assert compare(made(before), made(after), None) == Signs(0, 0, None)
    assert compare(made(before), made(dict(list(after.items())[:5])), None).deleted == 0.75


def test_data_that_never_compressed() -> None:
    photos = [Signs(0.01, 0, 0.98)] * 3
    (why,) = judge(Signs(1, 0, 0.99), photos, RULE)
    assert "cannot tell whether it is encrypted" in why
    # Where everything changes every day, that it does so today says nothing.
    assert judge(Signs(1, 0, 0.99), [Signs(0.9, 0, 0.98)] * 3, RULE) == ()


def test_the_canary() -> None:
    path = f"files/srv/x/{CANARY}"
    before = made({**tree(100), path: "canary"})
    assert compare(before, made({**tree(100), path: "canary"}), None).canaries == ()
    for after in ({**tree(100), path: "touched"}, tree(100)):
        signs = compare(before, made(after), None)
        assert judge(signs, [], RULE) == (f"the canary {path} was changed or deleted",)


def test_the_first_snapshot_is_judged_by_nothing() -> None:
    assert compare(None, made(tree(5)), 0.4) == Signs(0, 0, 0.4)


def test_signs_come_back_from_the_ledger(tmp_path: Path) -> None:
    signs = Signs(0.031, 0.5, None, ("files/a/b", "files/c/d"))
    assert brake.of(Ledger(tmp_path / "l").add("judged", NOON, signs.facts())) == signs


def test_holds_and_what_they_pin(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l")
    ledger.add("hold", NOON, {"pins": "a", "snapshot": "b", "why": "one"})
    ledger.add("hold", NOON, {"pins": "c", "snapshot": "d", "why": "two"})
    assert [line.facts["why"] for line in brake.holds(ledger.lines())] == ["one", "two"]
    assert dict(brake.pins(ledger.lines())) == {"a": "the last before hold 1", "c": "the last before hold 2"}
    ledger.add("release", NOON, {"holds": "1", "by": "a person", "why": "meant"})
    assert [line.facts["why"] for line in brake.holds(ledger.lines())] == ["two"]


def test_a_canary_is_planted_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    data = (
        Files(kind="files", path=str(tmp_path / "a")),
        Files(kind="files", path=str(tmp_path / "missing")),
        Postgres(kind="postgresql", database="x"),
    )
    path = tmp_path / "a" / CANARY
    assert brake.plant(data) == (path,)
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_text("somebody's own")
    assert brake.plant(data) == ()
    assert path.read_text() == "somebody's own"


def test_a_real_tree_encrypted_by_openssl(tmp_path: Path) -> None:
    """Packed by a real compressor: what new data takes of its size is what gzip makes of it."""
    top = tmp_path / "files" / "srv"
    top.mkdir(parents=True)
    for number in range(40):
        (top / f"{number}.txt").write_text(f"case {number}: received, checked, decided\n" * 200)
    first, packed = scan(tmp_path), gzipped(top)
    (top / "3.txt").write_text("case 3: closed\n" * 500)
    normal = compare(first, scan(tmp_path), gzipped(top))
    assert normal.changed == 0.025
    assert judge(normal, [Signs(0, 0, packed)], RULE) == ()
    for path in top.iterdir():
        encrypt(path)
    signs = compare(first, scan(tmp_path), gzipped(top))
    assert signs.changed == 1
    assert signs.packed is not None
    assert signs.packed > 0.9
    assert len(judge(signs, [Signs(0, 0, packed)], RULE)) == 1


def scan(top: Path) -> Manifest:
    return Manifest("x", "srv-a", NOON, manifest.scan(top), {})


def gzipped(top: Path) -> float:
    plain = b"".join(path.read_bytes() for path in sorted(top.iterdir()))
    packed = subprocess.run(["gzip", "-c"], input=plain, capture_output=True, check=True, timeout=30).stdout
    return len(packed) / len(plain)


def encrypt(path: Path) -> None:
    argv = ["openssl", "enc", "-aes-256-ctr", "-K", os.urandom(32).hex(), "-iv", os.urandom(16).hex()]
    result = subprocess.run(argv, input=path.read_bytes(), capture_output=True, check=True, timeout=30)
    path.write_bytes(result.stdout)
