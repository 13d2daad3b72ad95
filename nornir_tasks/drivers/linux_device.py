#!/usr/bin/python3 -IS
"""The configuration of a linux device as one text, and the program on the device that keeps it.

Installed as ``/usr/local/sbin/netdr-device``. One file on purpose, standard library only, Python 3.11 or later:
it is copied to a device with nothing but ``install``, read there by whoever wants to know what root runs, and
recognised by its SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# ---------------------------------------------------------------------------------------------------------------------
# The text: the files netdr owns on a device, each below a line that names it

_MARK = "#:"
_HEADER = re.compile(r"#: file (?P<path>/\S+) mode=(?P<mode>0[0-7]{3}) owner=(?P<owner>[a-z_][\w-]*:[a-z_][\w-]*)")
_FORM = "#: file PATH mode=0644 owner=root:root"


class File(NamedTuple):
    """One file: absolute path, mode as four octal digits, ``user:group``, its text (empty, or ending in a newline)."""

    path: str
    mode: str
    owner: str
    content: str


class Problem(NamedTuple):
    """One refusal: the line of the text it is about (0: none in particular), who refuses, and its words."""

    line: int
    part: str
    words: str

    def __str__(self) -> str:
        """Return ``line N: part: words``."""
        return f"line {self.line}: {self.part}: {self.words}" if self.line else f"{self.part}: {self.words}"


class FormatError(ValueError):
    """The text is not a set of files. ``problems`` holds every mistake."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def parse(text: str) -> tuple[File, ...]:
    """Given a device's configuration text, return its files in order of path.

    Raise FormatError with every mistake and its line if a header is malformed, a path comes twice, is out of order or
    is not one that netdr owns, text stands before the first header, or the last line has no end.
    ``dump(parse(text)) == text``.
    """
    problems: list[Problem] = []
    blocks: list[tuple[re.Match[str], int, list[str]]] = []
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], 1):
        if line.startswith(_MARK):
            header = _HEADER.fullmatch(line)
            if header is None:
                problems.append(Problem(number, "format", f"not a file header: {line!r}; expected {_FORM!r}"))
            else:
                blocks.append((header, number, []))
        elif blocks:
            blocks[-1][2].append(line)
        elif not problems:
            problems.append(Problem(number, "format", f"text before the first header ({_FORM!r})"))
        if "\0" in line or "\r" in line:
            problems.append(Problem(number, "format", "a NUL or carriage return; lines end with a newline only"))
    if text and not text.endswith("\n"):
        problems.append(Problem(text.count("\n") + 1, "format", "the last line does not end with a newline"))
    problems += _path_problems((number, header["path"]) for header, number, _ in blocks)
    if problems:
        raise FormatError(sorted(problems))
    return tuple(
        File(header["path"], header["mode"], header["owner"], "".join(f"{line}\n" for line in lines))
        for header, _, lines in blocks
    )


def _path_problems(headers: Iterable[tuple[int, str]]) -> list[Problem]:
    problems, seen, last = [], dict[str, int](), ""
    for number, path in headers:
        if path not in OWNED:
            known = ", ".join(sorted(OWNED))
            problems.append(Problem(number, "format", f"{path} is not a file that netdr owns; known: {known}"))
        elif path in seen:
            problems.append(Problem(number, "format", f"{path} comes twice, first on line {seen[path]}"))
        elif path < last:
            problems.append(Problem(number, "format", f"{path} comes after {last}; files are sorted by path"))
        seen.setdefault(path, number)
        last = max(last, path)
    return problems


def dump(files: Iterable[File]) -> str:
    """Given files in any order, return the text. Raise FormatError if ``parse`` would not give them back."""
    ordered = tuple(sorted(files))
    text = "".join(f"{_MARK} file {f.path} mode={f.mode} owner={f.owner}\n{f.content}" for f in ordered)
    if parse(text) != ordered:
        raise FormatError([Problem(0, "format", f"a file's text has a line that starts with {_MARK!r} or has no end")])
    return text


def places(files: Iterable[File]) -> dict[str, int]:
    """Given files in order of path, return the line of each one's header in the text, counting from 1."""
    found, line = {}, 1
    for file in files:
        found[file.path] = line
        line += 1 + file.content.count("\n")
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The files netdr owns, by the part of the system that reads them

OWNED: dict[str, str] = {
    "/etc/chrony/chrony.conf": "time",
    "/etc/frr/frr.conf": "routing",
    "/etc/hostname": "identity",
    "/etc/issue.net": "banner",
    "/etc/lldpd.d/netdr.conf": "lldp",
    "/etc/network/interfaces": "interfaces",
    "/etc/nftables.conf": "filter",
    "/etc/rsyslog.d/netdr.conf": "syslog",
    "/etc/snmp/snmpd.conf": "snmp",
    "/etc/ssh/authorized_keys/netdr": "identity",
    "/etc/ssh/sshd_config": "ssh",
}
