from __future__ import annotations

import hashlib
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup.glance import look
from backup.manifest import NAME, Difference, Entry, Manifest, compare, scan
from netdr.kernel.errors import BackupError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda name: name not in {".", "..", NAME} and len(name.encode()) < 200)
TREES = st.recursive(st.binary(max_size=40), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)
TOPS = st.dictionaries(NAMES, TREES, min_size=1, max_size=4)


def build(top: Path, content: dict) -> None:
    top.mkdir()
    for name, value in content.items():
        if isinstance(value, dict):
            build(top / name, value)
        else:
            (top / name).write_bytes(value)


def made(entries: tuple[Entry, ...], as_of: datetime = NOON) -> Manifest:
    return Manifest("approval", "srv-1", as_of, entries, {"format": "1"})


@settings(max_examples=40, deadline=None)
@given(content=TOPS)
def test_the_same_tree_gives_the_same_root_wherever_it_lies(
    content: dict, tmp_path_factory: pytest.TempPathFactory
) -> None:
    one, other = tmp_path_factory.mktemp("one") / "t", tmp_path_factory.mktemp("other") / "t"
    build(one, content)
    build(other, content)
    assert made(scan(one)).root == made(scan(other)).root
    assert compare(scan(one), scan(other)) == ()


@settings(max_examples=40, deadline=None)
@given(content=TOPS, choice=st.randoms(use_true_random=False))
def test_any_change_changes_the_root_and_names_the_path(
    content: dict, choice: random.Random, tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("top") / "t"
    build(top, content)
    before = scan(top)
    path = choice.choice(sorted(top.rglob("*")))
    name = str(path.relative_to(top))
    if path.is_dir():
        path.chmod(0o700 if path.stat().st_mode & 0o077 else 0o755)
        expected = Difference(name, "mode")
    elif path.stat().st_size:
        data = bytearray(path.read_bytes())
        data[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
        path.write_bytes(data)
        expected = Difference(name, "content")
    else:
        path.write_bytes(b"x")
        expected = Difference(name, "size")
    assert compare(before, scan(top)) == (expected,)
    assert made(scan(top)).root != made(before).root


@settings(max_examples=30, deadline=None)
@given(content=TOPS)
def test_a_manifest_survives_its_file(content: dict, tmp_path_factory: pytest.TempPathFactory) -> None:
    top = tmp_path_factory.mktemp("top") / "t"
    build(top, content)
    manifest = made(scan(top))
    text = manifest.dump()
    assert text.isascii()
    assert Manifest.load(text) == manifest
    assert Manifest.load(text).root == manifest.root == hashlib.sha256(text.encode()).hexdigest()


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    # FIPS 180-4, the message "abc".
    (tmp_path / "f").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert scan(tmp_path) == (Entry("f", "file", (tmp_path / "f").stat().st_mode & 0o7777, 3, digest),)


def test_the_root_binds_service_and_moment(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    entries = scan(tmp_path)
    assert made(entries).root != made(entries, NOON.replace(second=1)).root
    assert Manifest("portal", "srv-1", NOON, entries, {"format": "1"}).root != made(entries).root


def test_missing_unexpected_and_type(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    build(one, {"gone": b"1", "same": b"2", "kind": b"3"})
    build(other, {"same": b"2", "new": b"4", "kind": {}})
    found = compare(scan(one), scan(other))
    assert found == (Difference("gone", "missing"), Difference("kind", "type"), Difference("new", "unexpected"))


def test_a_link_is_compared_by_its_target(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "link").symlink_to("a")
    (other / "link").symlink_to("b")
    assert compare(scan(one), scan(other)) == (Difference("link", "content"),)


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")
    manifest = made(scan(tmp_path))
    assert Manifest.load(manifest.dump()).entries == manifest.entries


def test_its_own_file_is_left_out_at_the_top_only(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / NAME).touch()
    (tmp_path / "in" / NAME).touch()
    assert [entry.path for entry in scan(tmp_path)] == ["in", f"in/{NAME}"]


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BackupError, match="neither a file, a directory nor a link"):
        scan(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"entries": [{"path": "x"}]}), "null"])
def test_what_is_not_a_manifest(text: str) -> None:
    with pytest.raises(BackupError, match="the manifest cannot be read"):
        Manifest.load(text)


def test_the_stamp_sees_a_change_that_hides_behind_its_old_times(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    before, times = look(tmp_path), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert before.moved(look(tmp_path)) == ("f",)
