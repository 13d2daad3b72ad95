"""What is seen of a tree, what of it is shown as it is, and what happens when it moves."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import time
from pathlib import Path

import pytest

from backup import glance, hashing
from backup.hashing import Memory
from backup.view import View
from netdr.kernel.errors import BackupError


@pytest.fixture
def view(tmp_path: Path) -> View:
    """A staged tree with the live folder ``data`` shown at ``files/data``."""
    live, top, spare = tmp_path / "data", tmp_path / "top", tmp_path / "spare"
    for folder in (live / "in" / "deep", top / "files" / "data", spare):
        folder.mkdir(parents=True)
    (live / "a").write_text("one")
    (live / "in" / "b").write_text("two")
    (live / "in" / "deep" / "c").write_text("three")
    (live / "link").symlink_to("a")
    (top / "ledger.jsonl").write_text("{}")
    return View(top, {"files/data": live}, spare)


def paths(looked: glance.Look) -> dict[str, str]:
    return {one.path: one.real for one in looked.seen if one.kind != "directory"}


def test_a_shown_folder_is_seen_where_it_is_shown(view: View, tmp_path: Path) -> None:
    assert paths(view.look()) == {
        "files/data/a": str(tmp_path / "data/a"),
        "files/data/in/b": str(tmp_path / "data/in/b"),
        "files/data/in/deep/c": str(tmp_path / "data/in/deep/c"),
        "files/data/link": str(tmp_path / "data/link"),
        "ledger.jsonl": str(tmp_path / "top/ledger.jsonl"),
    }
    live = {one.path: one.live for one in view.look().seen}
    assert (live["files"], live["files/data"], live["files/data/in"], live["ledger.jsonl"]) == (
        False,
        True,
        True,
        False,
    )


def test_every_kind_of_change_is_seen(view: View, tmp_path: Path) -> None:
    data, before = tmp_path / "data", view.look()
    assert before.moved(view.look()) == ()
    (data / "a").chmod(0o600)
    assert before.moved(view.look()) == ("files/data/a",)
    (data / "new").touch()
    assert before.moved(view.look()) == ("files/data", "files/data/a", "files/data/new")
    (data / "in" / "deep" / "c").unlink()
    assert {"files/data/in/deep", "files/data/in/deep/c"} <= set(before.moved(view.look()))


def test_only_folders_in_which_something_moved_are_copied(view: View, tmp_path: Path) -> None:
    looked = view.look()
    (tmp_path / "data" / "in" / "b").write_text("changed")
    calm, left_out = view.calmed(looked.moved(view.look()), looked)
    assert left_out == ()
    found = paths(calm.look())
    assert found["files/data/in/b"].startswith(str(view.spare)), "a copy"
    assert found["files/data/in/deep/c"] == str(tmp_path / "data/in/deep/c"), "still shown as it is"
    assert found["files/data/a"] == str(tmp_path / "data/a")
    settled = calm.look()
    (tmp_path / "data" / "in" / "b").write_text("again")
    (tmp_path / "data" / "in" / "another").touch()
    assert settled.moved(calm.look()) == (), "a calm folder does not move"


def test_what_is_calm_stays_calm_when_the_folder_above_moves(view: View) -> None:
    first, _ = view.calmed(["files/data/in/deep/c"], view.look())
    second, _ = first.calmed(["files/data/in"], first.look())
    found = paths(second.look())
    assert found.keys() == paths(view.look()).keys()
    assert found["files/data/in/deep/c"] == paths(first.look())["files/data/in/deep/c"]
    assert found["files/data/in/b"].startswith(str(view.spare))


def test_a_folder_that_vanished_is_not_shown_any_more(view: View, tmp_path: Path) -> None:
    first, _ = view.calmed(["files/data/in/deep/c"], view.look())
    looked = first.look()
    (tmp_path / "data" / "in" / "deep" / "c").unlink()
    (tmp_path / "data" / "in" / "deep").rmdir()
    second, _ = first.calmed(["files/data/in"], looked)
    assert "files/data/in/deep" not in second.shown
    assert [path for path in paths(second.look()) if "deep" in path] == []


def test_at_last_everything_is_copied(view: View, tmp_path: Path) -> None:
    copied, _ = view.copied()
    assert copied.shown == {}
    assert paths(copied.look()).keys() == paths(view.look()).keys()
    assert (view.top / "files/data/in/deep/c").read_text() == "three"
    assert copied.prefix(tmp_path / "order") == ()


def test_special_files_hold_no_data(view: View, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data" / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "data" / "socket"))
        looked = view.look()
        assert looked.special == {
            "files/data/pipe": str(tmp_path / "data/pipe"),
            "files/data/socket": str(tmp_path / "data/socket"),
        }
        calm, left_out = view.calmed(["files/data"], looked)
    assert left_out == (str(tmp_path / "data/pipe"), str(tmp_path / "data/socket"))
    assert calm.look().special == {}


def test_a_copied_folder_keeps_owner_modes_and_times(view: View, tmp_path: Path) -> None:
    (tmp_path / "data" / "a").chmod(0o4750)
    os.utime(tmp_path / "data" / "a", (1, 1))
    (tmp_path / "data").chmod(0o2711)
    calm, _ = view.calmed(["files/data"], view.look())
    found = {one.path: one for one in calm.look().seen}
    assert stat.S_IMODE(found["files/data"].mode) == 0o2711
    assert (found["files/data/a"].mode, found["files/data/a"].modified) == (0o4750, 10**9)
    assert found["files/data/link"].target == "a"


def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BackupError, match="loop: cannot be listed: Too many levels of symbolic links"):
        glance.look(tmp_path / "loop")


def test_a_file_that_cannot_be_read_is_named(view: View) -> None:
    # A way through too many links: everybody's open(2) fails, root's too.
    (view.top / "loop").symlink_to("loop")
    (one, *_) = [one for one in view.look().seen if one.kind == "file"]
    with pytest.raises(BackupError, match="loop/x: cannot be read: Too many levels"):
        hashing.digests([one._replace(real=str(view.top / "loop" / "x"))])


def test_mounts_are_in_order_of_their_places(view: View, tmp_path: Path) -> None:
    calm, _ = view.calmed(["files/data/in"], view.look())
    assert calm.prefix(tmp_path / "order")[:3] == ("unshare", "--mount", "--propagation=private")
    places = [place for _, place in json.loads((tmp_path / "order").read_text())]
    assert places == [str(view.top / path) for path in ("files/data", "files/data/in", "files/data/in/deep")]


def test_digests_are_sha256_of_what_was_seen(view: View) -> None:
    digests, moved = hashing.digests(view.look().seen)
    assert moved == ()
    assert digests["files/data/a"] == hashlib.sha256(b"one").hexdigest()
    assert digests.keys() == paths(view.look()).keys() - {"files/data/link"}


def test_a_file_that_is_not_as_it_was_seen_has_no_digest(view: View, tmp_path: Path) -> None:
    looked = view.look()
    (tmp_path / "data" / "a").write_text("uno")
    (tmp_path / "data" / "in" / "b").unlink()
    digests, moved = hashing.digests(looked.seen)
    assert set(moved) == {"files/data/a", "files/data/in/b"}
    assert digests.keys() == {"files/data/in/deep/c", "ledger.jsonl"}


def test_unchanged_files_are_remembered_and_only_settled_ones(view: View, tmp_path: Path) -> None:
    looked = view.look()
    digests, _ = hashing.digests(looked.seen)
    memory = Memory(tmp_path / "memory" / "portal.json")
    memory.save(looked.seen, digests, time.time_ns())
    assert Memory.load(memory.path).known == {}, "changed just now: another change may look the same"
    memory.save(looked.seen, digests, time.time_ns() + 3 * 10**9)
    known = Memory.load(memory.path)
    assert known.known.keys() == {"files/data/a", "files/data/in/b", "files/data/in/deep/c"}, "what is staged is new"
    # It is taken from memory, or this wrong digest would not be seen again.
    stamp, _digest = known.known["files/data/a"]
    known.known["files/data/a"] = (stamp, "remembered")
    assert hashing.digests(looked.seen, known)[0]["files/data/a"] == "remembered"
    (tmp_path / "data" / "a").write_text("new")
    assert hashing.digests(view.look().seen, known)[0]["files/data/a"] == hashlib.sha256(b"new").hexdigest()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": [1]}', "null"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    path = tmp_path / "memory"
    path.write_text(text)
    assert Memory.load(path).known == {}
    assert Memory.load(tmp_path / "none").known == {}
