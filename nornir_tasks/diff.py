"""What is different between two configurations, file by file. Pure.

Differences are unified diffs, one part per file. ``effect`` reads one back, whoever wrote it, so that a device's own
diff can be compared with the planned one without caring how each of them chose its hunks.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from nornir_tasks.drivers import linux_device

NOWHERE = "/dev/null"
_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_TURN = re.compile(r"^@@ -(\S+) \+(\S+) @@")

Effect = Counter[tuple[str, str]]


def digest(text: str) -> str:
    """Return the SHA-256 of a configuration in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def unified(running: str, intended: str) -> str:
    """Return the unified diff from one configuration to another, files in the order of their paths; empty if equal."""
    old, new = files_of(running), files_of(intended)
    return "".join(_file_diff(path, old.get(path), new.get(path)) for path in sorted({*old, *new}))


def files_of(text: str) -> Mapping[str, str]:
    """Return the files of a configuration by path, each below its header; without headers it is one nameless file.

    Raise linux_device.FormatError if the text starts as a set of files and is not one.
    """
    if not text.startswith("#: file "):
        return {"": text} if text else {}
    return {file.path: linux_device.dump([file]) for file in linux_device.parse(text)}


def _file_diff(path: str, old: str | None, new: str | None) -> str:
    if old == new:
        return ""
    lines = difflib.unified_diff(
        _lines(old or ""),
        _lines(new or ""),
        fromfile=NOWHERE if old is None else path,
        tofile=NOWHERE if new is None else path,
    )
    return "".join(lines)


def _lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    end = lines.pop()
    return lines if end == "\n" else [*lines, f"{end}\\ No newline at end of file\n"]


def effect(diff: str) -> Effect:
    """Given a unified diff, return how often each (path, line) is added (positive) or removed (negative) on balance.

    Every correct diff of the same two files has the same effect, because the balance is the difference of the two
    multisets of lines.
    """
    balance: Effect = Counter()
    for path, sign, line in _changes(diff):
        balance[path, line] += 1 if sign == "+" else -1
    return Counter({key: count for key, count in balance.items() if count})


def _changes(diff: str) -> Iterator[tuple[str, str, str]]:
    """Yield (path, sign, line) for every added and removed line; hunk lengths tell a header from a line like it."""
    path = ""
    old = new = 0
    for line in diff.split("\n"):
        if old > 0 or new > 0:
            sign = line[:1] or " "
            old -= sign in " -"
            new -= sign in " +"
            if sign in "+-":
                yield path, sign, line[1:]
        elif found := _HUNK.match(line):
            old, new = (int(size) if size is not None else 1 for size in found.groups())
        elif line.startswith(("--- ", "+++ ")):
            named = line[4:].split("\t")[0]
            path = path if named == NOWHERE else named


def reverse(diff: str) -> str:
    """Return the way back: the unified diff that turns what ``diff`` leads to into what it starts from."""
    lines: list[str] = []
    minus: list[str] = []
    plus: list[str] = []
    last, first_name = lines, ""
    old = new = 0

    def flush() -> None:
        lines.extend((*minus, *plus))
        minus.clear()
        plus.clear()

    for line in diff.split("\n")[:-1]:
        if line.startswith("\\"):  # no newline at the end of the line before
            last.append(line)
        elif old > 0 or new > 0:
            sign = line[:1] or " "
            old -= sign in " -"
            new -= sign in " +"
            if sign == " ":
                flush()
            last = {"+": minus, "-": plus}.get(sign, lines)
            last.append({"+": "-", "-": "+"}.get(sign, sign) + line[1:])
        elif found := _HUNK.match(line):
            flush()
            old, new = (int(size) if size is not None else 1 for size in found.groups())
            lines.append(_TURN.sub(r"@@ -\2 +\1 @@", line))
        elif line.startswith("--- "):
            flush()
            first_name = line[4:]
        elif line.startswith("+++ "):
            lines += [f"--- {line[4:]}", f"+++ {first_name}"]
    flush()
    return "".join(f"{line}\n" for line in lines)


def drift(planned: str, now: str) -> str:
    """Given the diff a plan was made from and the one of today to the same intent, return what changed on the device.

    Lines that came since are marked ``+``, lines that went ``-``. Positions are not told: only the plan's diff is kept.
    """
    before, after = effect(planned), effect(now)
    changed = {key: before[key] - after[key] for key in sorted({*before, *after}) if before[key] != after[key]}
    if not changed:
        return "only the order of lines changed"
    return "\n".join(_marked(path, line, count) for (path, line), count in changed.items())


def _marked(path: str, line: str, count: int) -> str:
    where = f"{path}: " if path else ""
    return "\n".join([f"{where}{'+' if count > 0 else '-'} {line}"] * abs(count))


def size(diff: str) -> tuple[int, int]:
    """Return how many lines a diff adds and removes."""
    signs = Counter(sign for _, sign, _ in _changes(diff))
    return signs["+"], signs["-"]
