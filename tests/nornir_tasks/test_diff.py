"""Diffs against GNU diff and patch, which nobody here wrote."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nornir_tasks.diff import drift, effect, files_of, reverse, size, unified
from nornir_tasks.drivers.linux_device import FormatError

# Lines that look like parts of a diff, and a few that come often, so that diffs have choices.
LINES = st.sampled_from(
    ["", "a", "b", "!", " x", "-- a", "++ b", "- a", "+ b", "@@ -1 +1 @@", "--- a", "+++ b", "\\ c"]
)
TEXTS = st.lists(LINES, max_size=12).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(TEXTS, TEXTS)
def test_the_effect_is_the_difference_of_the_lines(one: str, other: str) -> None:
    expected: dict[tuple[str, str], int] = {}
    for text, sign in ((one, -1), (other, 1)):
        for line in text.split("\n")[:-1]:
            expected["", line] = expected.get(("", line), 0) + sign
    assert effect(unified(one, other)) == {key: count for key, count in expected.items() if count}


ENDLESS = st.tuples(TEXTS, st.sampled_from(["", "a", "--- a", " x"])).map("".join)


@given(ENDLESS, ENDLESS)
def test_the_way_back_takes_what_the_way_there_brings(one: str, other: str) -> None:
    there = unified(one, other)
    assert effect(reverse(there)) == {key: -count for key, count in effect(there).items()}
    assert reverse(reverse(there)) == there
    assert size(reverse(there)) == size(there)[::-1]


def test_the_way_back_is_told_file_by_file() -> None:
    assert reverse(unified(OLD, NEW)) == (
        "--- /etc/frr/frr.conf\n"
        "+++ /dev/null\n"
        "@@ -1,2 +0,0 @@\n"
        "-#: file /etc/frr/frr.conf mode=0640 owner=frr:frr\n"
        "-!\n"
        "--- /etc/hostname\n"
        "+++ /etc/hostname\n"
        "@@ -1,2 +1,2 @@\n"
        "-#: file /etc/hostname mode=0600 owner=root:root\n"
        "+#: file /etc/hostname mode=0644 owner=root:root\n"
        " one\n"
        "--- /dev/null\n"
        "+++ /etc/issue.net\n"
        "@@ -0,0 +1,2 @@\n"
        "+#: file /etc/issue.net mode=0644 owner=root:root\n"
        "+hi\n"
    )


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("patch"), reason="needs GNU patch")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb\nc\n", "a\nc\nd\n"),
        ("-- a\n++ b\n", "++ b\n"),
        ("x\n" * 30, "x\n" * 10 + "y\n" + "x\n" * 20),
        ("a\nb", "a\nb\n"),
        ("a\nb\n", "a\nc"),
        ("", "a\n"),
    ],
)
def test_gnu_patch_finds_the_way_back(old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(new)
    (tmp_path / "patch").write_text(reverse(unified(old, new)).replace("/dev/null", "file"))
    subprocess.run(["patch", "-s", "file", "patch"], cwd=tmp_path, check=True, timeout=10)
    assert ((tmp_path / "file").read_text() if (tmp_path / "file").exists() else "") == old


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("patch"), reason="needs GNU patch and diff")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb\nc\n", "a\nc\nd\n"),
        ("-- a\n++ b\n", "++ b\n"),
        ("x\n" * 30, "x\n" * 10 + "y\n" + "x\n" * 20),
        ("a\nb", "a\nb\n"),
        ("a\n", "a\nb"),
    ],
)
def test_gnu_patch_turns_one_into_the_other(old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(old)
    (tmp_path / "patch").write_text(unified(old, new))
    subprocess.run(["patch", "-s", "old", "patch"], cwd=tmp_path, check=True, timeout=10)
    assert (tmp_path / "old").read_text() == new


@pytest.mark.tools
@pytest.mark.skipif(not shutil.which("diff"), reason="needs GNU diff")
@pytest.mark.parametrize("options", ["-u", "-U0", "--minimal -U9"])
def test_gnu_diff_has_the_same_effect(options: str, tmp_path: Path) -> None:
    old, new = "a\nb\nc\nb\na\n--- x\n" * 3, "b\nc\nb\na\n--- x\nd\n" * 3
    (tmp_path / "old").write_text(old)
    (tmp_path / "new").write_text(new)
    argv = ["diff", *options.split(), "--label", "", "--label", "", "old", "new"]
    theirs = subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=10).stdout
    assert effect(theirs) == effect(unified(old, new))


OLD = "#: file /etc/hostname mode=0644 owner=root:root\none\n#: file /etc/issue.net mode=0644 owner=root:root\nhi\n"
NEW = "#: file /etc/frr/frr.conf mode=0640 owner=frr:frr\n!\n#: file /etc/hostname mode=0600 owner=root:root\none\n"


def test_a_diff_is_told_file_by_file() -> None:
    assert unified(OLD, NEW) == (
        "--- /dev/null\n"
        "+++ /etc/frr/frr.conf\n"
        "@@ -0,0 +1,2 @@\n"
        "+#: file /etc/frr/frr.conf mode=0640 owner=frr:frr\n"
        "+!\n"
        "--- /etc/hostname\n"
        "+++ /etc/hostname\n"
        "@@ -1,2 +1,2 @@\n"
        "-#: file /etc/hostname mode=0644 owner=root:root\n"
        "+#: file /etc/hostname mode=0600 owner=root:root\n"
        " one\n"
        "--- /etc/issue.net\n"
        "+++ /dev/null\n"
        "@@ -1,2 +0,0 @@\n"
        "-#: file /etc/issue.net mode=0644 owner=root:root\n"
        "-hi\n"
    )
    assert size(unified(OLD, NEW)) == (3, 3)


def test_a_text_that_is_not_a_set_of_files_is_refused() -> None:
    with pytest.raises(FormatError, match="/etc/passwd"):
        files_of("#: file /etc/passwd mode=0644 owner=root:root\n")


def test_drift_is_what_changed_since() -> None:
    planned, now = unified("a\nb\n", "a\nc\n"), unified("a\nb\nx\n", "a\nc\n")
    assert drift(planned, now) == "+ x"
    assert drift(now, planned) == "- x"
    assert drift(unified("a\nb\n", "c\n"), unified("b\na\n", "c\n")) == "only the order of lines changed"
