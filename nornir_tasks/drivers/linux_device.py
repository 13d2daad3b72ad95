#!/usr/bin/python3 -IS
"""The configuration of a linux device as one text, and the program on the device that keeps it.

Installed as ``/usr/local/sbin/netdr-device``. One file on purpose, standard library only, Python 3.11 or later:
it is copied to a device with nothing but ``install``, read there by whoever wants to know what root runs, and
recognised by its SHA-256.
"""

from __future__ import annotations

import fcntl
import grp
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TextIO

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


_STATE = Path("/var/lib/netdr/device")  # the commit under way, the set before the last one; survives a restart
_SCRATCH = Path("/run/netdr-device")  # candidates while they are checked
_LOG = Path("/var/log/netdr-device.log")
_LIMIT = 60.0  # seconds any program may take
_TRIES = 3  # to undo a commit before it is left to people
_LOCK_WAIT = 30.0  # seconds to wait for another call of this program


class Refused(Exception):  # noqa: N818 - the answer to a request, not a fault of the program
    """What was asked is not done. ``kind`` is one of KINDS and says what that means; every reason is a Problem."""

    def __init__(self, kind: str, problems: Iterable[Problem]) -> None:
        self.kind, self.problems = kind, tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def answer(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"error": {"kind": self.kind, "problems": [problem._asdict() for problem in self.problems]}}


# The kinds of refusal and what they mean; the driver maps them to NAPALM's exceptions.
KINDS = {
    "candidate": "the candidate has mistakes; nothing was changed",
    "apply": "a part did not take the candidate; everything was put back",
    "undo": "a part did not take what was put back; the next calls try again",
    "pending": "another commit waits for its confirmation",
    "no-pending": "no commit waits for a confirmation: there was none, it was confirmed, or its time is over",
    "no-previous": "there is no earlier file set to go back to",
    "held": "a change of another controller, or an earlier one, holds this device",
    "fenced": "a later change has claimed this device: who asks is to give up",
    "busy": "another call is at work",
    "usage": "the request makes no sense",
    "system": "the system failed the program: disk full, missing program, …",
}


class Ran(NamedTuple):
    """How a program ended: exit status, standard output, standard error."""

    code: int
    out: str
    err: str

    def words(self) -> str:
        """Return what it said, on one line per line, without empty ones."""
        return "\n".join(line.rstrip() for line in f"{self.err}\n{self.out}".split("\n") if line.strip())


def _run(*argv: str, text: str = "") -> Ran:
    """Run a program with ``text`` as its input. A missing one ends with 127, one that takes too long with 124."""
    try:
        ran = subprocess.run(
            argv, input=text, capture_output=True, text=True, errors="replace", timeout=_LIMIT, check=False
        )
    except FileNotFoundError:
        return Ran(127, "", f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Ran(124, "", f"{argv[0]} took longer than {_LIMIT:.0f} s")
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def _spawn(*argv: str) -> int:
    """Leave a process behind that outlives this program and whoever called it. Return its number."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, cwd="/", start_new_session=True).pid


# ---------------------------------------------------------------------------------------------------------------------
# The parts: what reads the files, how it checks them, takes them, and says what it has

Files = Mapping[str, File]


class Checker(NamedTuple):
    """A command that checks one file, ``{file}``. A line of its output that ``blame`` matches is a refusal."""

    path: str
    command: str
    blame: str
    always: bool = False  # complaints count although the program ends well

    def problems(self, scratch: Path, part: str) -> list[Problem]:
        """Return what the program has against the candidate below ``scratch``; lines count within the file."""
        argv = shlex.split(self.command.replace("{file}", f"{scratch}{self.path}"))
        ran = _run(*argv)
        if not ran.code and not self.always:
            return []
        output = ran.words().replace(str(scratch), "")
        found = [match for line in output.split("\n") if (match := re.fullmatch(self.blame, line.strip()))]
        if not found and ran.code:
            return [Problem(0, part, output or f"{argv[0]} ended with {ran.code}")]
        return [Problem(int(match["line"] or 0), part, match["words"]) for match in found]


class Part:
    """A part of the system and its files. As it stands: one whose files are read when they are needed (the banner)."""

    required: tuple[str, ...] = ()

    def __init__(self, name: str, paths: tuple[str, ...], checkers: tuple[Checker, ...] = ()) -> None:
        self.name, self.paths, self.checkers = name, paths, checkers

    def check(self, files: Files, scratch: Path) -> Iterator[tuple[str, Problem]]:
        """Yield (path, problem) for every refusal of the candidate, whose files are below ``scratch``."""
        for path in self.required:
            if path not in files:
                yield path, Problem(0, self.name, f"{path} is missing, and the device could not be reached without it")
        for checker in self.checkers:
            if checker.path in files:
                yield from ((checker.path, problem) for problem in checker.problems(scratch, self.name))

    def apply(self, files: Files) -> str:
        """Make the running system what ``files`` say; they are on disk. Return the words of what failed, or nothing."""
        del files
        return ""

    def live(self) -> str:
        """Return the running state, cheaply, in a form that changes when it does; empty if the files are the state."""
        return ""

    def differences(self, files: Files, live: str) -> list[str]:
        """Return how the running state differs from what ``files`` say; ``live`` is what ``live()`` gave."""
        del files, live
        return []

    def shown(self, files: Files, live: str, differences: list[str]) -> Files:
        """Return ``files`` so that they tell the running state, which differs."""
        del live, differences
        return files


class Interfaces(Part):
    """/etc/network/interfaces, by ifupdown2."""

    path = "/etc/network/interfaces"
    required = (path,)

    def check(self, files: Files, scratch: Path) -> Iterator[tuple[str, Problem]]:
        """Add the line where ifupdown2 tells only the interface and the value."""
        for path, problem in super().check(files, scratch):
            found = problem.line or (path in files and _stanza_line(files[path].content, problem.words))
            yield path, problem._replace(line=int(found))

    def apply(self, files: Files) -> str:
        """Let ifreload change what has changed. It takes addresses away that it does not know."""
        del files
        ran = _run("ifreload", "-a")
        return ran.words() or f"ifreload ended with {ran.code}" if ran.code else ""

    def live(self) -> str:
        """Return names, addresses, masters, MTUs and administrative states of the links."""
        keys = ("ifname", "mtu", "master", "ifalias")
        return json.dumps(
            [
                [*map(row.get, keys), "UP" in row.get("flags", ()), _addresses(row)]
                for row in json.loads(_run("ip", "-j", "address", "show").out or "[]")
            ]
        )

    def differences(self, files: Files, live: str) -> list[str]:
        """Return what ifquery finds different."""
        del live
        if not files:
            return []
        ran = _run("ifquery", "-a", "-c", "-o", "json")
        if ran.code == 0:
            return []
        try:
            return [words for row in json.loads(ran.out) for words in _failed(row)] or [ran.words()]
        except ValueError:
            return [ran.words()]

    def shown(self, files: Files, live: str, differences: list[str]) -> Files:
        """Return the file with a comment per difference."""
        del live
        file = files[self.path]
        comments = "".join(f"# live: {line}\n" for words in differences for line in words.split("\n"))
        return {**files, file.path: file._replace(content=file.content + comments)}


def _stanza_line(text: str, words: str) -> int:
    """Return the line that ``NAME: … "VALUE" …`` is about: the value's in the interface's stanza, else the stanza's."""
    name, value = words.partition(":")[0], re.search(r'"([^"]+)"', words)
    stanza, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if head := re.match(r"\s*iface\s+(\S+)", line):
            stanza = head[1]
            start = number if stanza == name else start
        if stanza == name and value and value[1] in line:
            return number
    return start


def _addresses(row: Mapping[str, Any]) -> list[str]:
    return [f"{one['local']}/{one['prefixlen']}" for one in row["addr_info"] if one["scope"] != "link"]


def _failed(row: Mapping[str, Any]) -> list[str]:
    """Return the attributes of one interface that ``ifquery -c`` marks as failed."""
    name, status, config = row.get("name"), row.get("config_status", {}), row.get("config", {})
    found = []
    for key, marks in status.items():
        values = config.get(key, [])
        pairs = zip(
            values if isinstance(values, list) else [values],
            marks if isinstance(marks, list) else [marks],
            strict=False,
        )
        found += [f"{name}: {key} {value} is not so" for value, mark in pairs if mark == "fail"]
    return found or ([f"{name} is not as configured"] if row.get("status") == "fail" else [])


class Told(Part):
    """A part whose running state is itself a text that its file could have. ``absent`` is the file if there is none."""

    absent: File

    def content(self, files: Files) -> str:
        """Return the file's text, empty if there is none."""
        return files.get(self.absent.path, self.absent).content

    def shown(self, files: Files, live: str, differences: list[str]) -> Files:
        """Return the running state in place of the file."""
        del differences
        file = files.get(self.absent.path, self.absent)
        return {**files, file.path: file._replace(content=live)}


class Filter(Told):
    """/etc/nftables.conf, by nft: the whole ruleset of the device."""

    absent = File("/etc/nftables.conf", "0644", "root:root", "")

    def apply(self, files: Files) -> str:
        """Replace the ruleset in one transaction, so that it is never empty in between."""
        # On the first line, so that nft counts lines as the file does.
        ran = _run("nft", "-f", "-", text=f"flush ruleset; {self.content(files)}\n")
        return ran.words() or f"nft ended with {ran.code}" if ran.code else ""

    def live(self) -> str:
        """Return the kernel's ruleset without counters."""
        return _run("nft", "-s", "list", "ruleset").out

    def differences(self, files: Files, live: str) -> list[str]:
        """Compare the kernel's ruleset with what the file becomes when it is loaded into an empty network namespace."""
        ran = _run("unshare", "--net", "sh", "-c", "nft -f - && nft -s list ruleset", text=self.content(files) + "\n")
        if ran.code:
            return [ran.words()]
        return list(unified_diff(ran.out.split("\n"), live.split("\n"), "file", "live", n=0, lineterm=""))[2:]


class Routing(Told):
    """/etc/frr/frr.conf, by FRR's vtysh and frr-reload."""

    absent = File("/etc/frr/frr.conf", "0640", "frr:frr", "")
    reload = "/usr/lib/frr/frr-reload.py"
    # What the daemons print whatever the file says: fixed when they start, or the kernel's (FRR 8.4).
    own = re.compile(r"frr (version|defaults) .*|(no )?ip(v6)? forwarding|service integrated-vtysh-config")
    # Lines that can be taken away by "no LINE" with no effect on anything else.
    plain = re.compile(r"ip(v6)? route .*")

    def apply(self, files: Files) -> str:
        """Make FRR's running configuration the file's: new lines and plain ones directly, all else by frr-reload."""
        text, live = self.content(files), self.live()
        added, removed = self._delta(text, live)
        if not added and not removed:
            return ""
        if all(len(path) == 1 and self.plain.fullmatch(path[0]) for path in removed):
            # The new first: a route that moves is never without a next hop.
            lines = _nested(added) + [f"no {path[0]}" for path in removed]
            self._feed("".join(f"{line}\n" for line in lines), "vtysh", "-f")
            if not self.differences(files, self.live()):
                return ""
        # What FRR says on its own is not to be taken away: "no ipv6 forwarding" would become its opposite.
        kept = "".join(f"{path[0]}\n" for path in frr_lines(live) if self._is_own(path, text))
        # frr-reload writes FRR's own rendering to its configuration folder, unless that is where it reads from.
        ran = self._feed(kept + text, self.reload, "--reload", "--stdout", "--confdir", str(_SCRATCH))
        return ran.words() or f"frr-reload ended with {ran.code}" if ran.code else ""

    def _is_own(self, path: tuple[str, ...], wanted: str) -> bool:
        """Whether FRR says this line whatever the file says; the host's name, if the file has none."""
        if path[0].startswith("hostname "):
            return not re.search(r"^hostname ", wanted, re.MULTILINE)
        return bool(self.own.fullmatch(path[0]))

    @staticmethod
    def _feed(text: str, *argv: str) -> Ran:
        file = _SCRATCH / "frr.conf"
        _write(file, text, 0o600)
        try:
            return _run(*argv, str(file))
        finally:
            file.unlink()

    def live(self) -> str:
        """Return FRR's running configuration."""
        return _run("vtysh", "-c", "show running-config no-header").out

    def differences(self, files: Files, live: str) -> list[str]:
        """Return the lines that only the file or only FRR has, each with its context."""
        missing, extra = self._delta(self.content(files), live)
        return [f"FRR lacks: {' / '.join(path)}" for path in missing] + [
            f"FRR has: {' / '.join(path)}" for path in extra
        ]

    def _delta(self, wanted: str, present: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
        """Return the lines to add and those to take away, as contexts, without those that FRR prints on its own."""
        new, old = (
            [path for path in frr_lines(text) if not self._is_own(path, wanted) and not _empty(path)]
            for text in (wanted, present)
        )
        added, removed = set(new) - set(old), set(old) - set(new)
        return [path for path in new if path in added], [path for path in old if path in removed]


def _empty(path: tuple[str, ...]) -> bool:
    """Whether FRR forgets this context when nothing is in it."""
    return len(path) == 1 and path[0].startswith("interface ")


def frr_lines(text: str) -> list[tuple[str, ...]]:
    """Given FRR's configuration, return each of its lines in order, with the contexts its indentation puts it in."""
    found: list[tuple[str, ...]] = []
    stack: list[tuple[int, str]] = []
    for raw in text.split("\n"):
        line = raw.strip()
        if not line or line[0] in "!#" or line in {"end", "exit"} or line.startswith("exit-"):
            continue
        indent = len(raw) - len(raw.lstrip())
        while stack and stack[-1][0] >= indent:
            stack.pop()
        stack.append((indent, line))
        found.append(tuple(line for _, line in stack))
    return found


def _nested(paths: Iterable[tuple[str, ...]]) -> list[str]:
    """Return configuration lines that enter each path's contexts and say its line."""
    lines = []
    for path in paths:
        lines += [f"{' ' * depth}{line}" for depth, line in enumerate(path)]
        for context in reversed(path[:-1]):
            lines.append("exit-address-family" if context.startswith("address-family") else "exit")
    return lines


class Identity(Part):
    """The host's name and the keys that may log in as netdr."""

    name_file, keys_file = "/etc/hostname", "/etc/ssh/authorized_keys/netdr"
    required = (name_file, keys_file)
    # RFC 1123, section 2.1; one label, as sethostname(2) and FRR take it.
    label = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\n", re.IGNORECASE)

    def check(self, files: Files, scratch: Path) -> Iterator[tuple[str, Problem]]:
        """Refuse a name that is not one label, a line that is not a key, and a file without keys."""
        yield from super().check(files, scratch)
        if self.name_file in files and not self.label.fullmatch(files[self.name_file].content):
            yield (
                self.name_file,
                Problem(1, self.name, "not one host name label of letters, digits and hyphens (RFC 1123)"),
            )
        if self.keys_file not in files:
            return
        keys = [(n, k) for n, k in enumerate(files[self.keys_file].content.split("\n"), 1) if k and k[0] != "#"]
        if not keys:
            yield self.keys_file, Problem(0, self.name, "no key: nobody could log in any more")
        for number, key in keys:
            if _run("ssh-keygen", "-l", "-f", "-", text=key + "\n").code:
                yield self.keys_file, Problem(number, self.name, "not an SSH public key")

    def apply(self, files: Files) -> str:
        """Set the host's name; sshd reads the keys at each login."""
        if self.name_file in files:
            socket.sethostname(files[self.name_file].content.strip())
        return ""

    def live(self) -> str:
        """Return the host's name as the kernel has it."""
        return socket.gethostname()

    def differences(self, files: Files, live: str) -> list[str]:
        """Compare the file with the kernel's name."""
        wanted = files[self.name_file].content.strip() if self.name_file in files else live
        return [] if wanted == live else [f"the host calls itself {live}"]

    def shown(self, files: Files, live: str, differences: list[str]) -> Files:
        """Return the kernel's name in place of the file's."""
        del differences
        return {**files, self.name_file: files[self.name_file]._replace(content=f"{live}\n")}


class Service(NamedTuple):
    """A service of the init system. ``program`` is its process, ``listens`` whether that has a socket open."""

    unit: str
    program: str
    listens: bool = False
    pidfile: str = ""  # for the one whose package has no script for systems without systemd


class Daemon(Part):
    """A part that is one service: restarted, and seen to run afterwards."""

    def __init__(self, name: str, checker: Checker, service: Service) -> None:
        super().__init__(name, (checker.path,), (checker,))
        self.service = service

    def apply(self, files: Files) -> str:
        """Stop the service and start it again, unless netdr owns all of its configuration and there is none."""
        self._tell("stop")
        self._wait_for_end()
        if not files and not self.paths[0].endswith("/netdr.conf"):
            return ""
        self.before_start()
        ran = self._tell("start")
        return ran.words() or f"service {self.service.unit} start ended with {ran.code}" if ran.code else self._wait()

    def before_start(self) -> None:
        """Do what the service needs done while it is stopped."""

    def _tell(self, action: str) -> Ran:
        unit, pidfile = self.service.unit, self.service.pidfile
        if pidfile and not Path("/run/systemd/system").is_dir():
            if action == "stop":
                return _stop(Path(pidfile))
            _spawn(self.service.program, "-n")  # it takes a second to put itself in the background
            return Ran(0, "", "")
        return _run("service", unit, action)

    def _wait_for_end(self) -> None:
        """Wait up to 5 s until the process is gone: chrony's script returns before, and does not start what runs."""
        for _ in range(100):
            if _run("pidof", self.service.program).code:
                return
            time.sleep(0.05)

    def _wait(self) -> str:
        """Wait until the service has a process and, if it should, a socket. Return what is amiss after 5 s."""
        program, listens = self.service.program, self.service.listens
        for _ in range(100):
            if f'(("{program}",' in _run("ss", "-Hlntup").out if listens else _run("pidof", program).code == 0:
                return ""
            time.sleep(0.05)
        return f"{program} does not {'listen' if listens else 'run'} 5 s after it was started"


def _stop(pidfile: Path) -> Ran:
    """End the process that a file names, and wait 5 s for that."""
    try:
        pid = int(pidfile.read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return Ran(0, "", "")
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():
            return Ran(0, "", "")
        time.sleep(0.01)
    return Ran(1, "", f"process {pid} does not end")


class Ssh(Daemon):
    """/etc/ssh/sshd_config, by sshd: told to read it again, which leaves every session alone."""

    def __init__(self, checker: Checker, service: Service) -> None:
        super().__init__("ssh", checker, service)
        self.required = self.paths

    def apply(self, files: Files) -> str:
        """Let sshd read its file again."""
        del files
        ran = self._tell("reload")
        if ran.code:
            return ran.words() or f"service {self.service.unit} reload ended with {ran.code}"
        time.sleep(0.1)  # until it has closed its sockets: what listens after that is the new one
        return self._wait()


class Snmp(Daemon):
    """/etc/snmp/snmpd.conf, by Net-SNMP's snmpd."""

    def before_start(self) -> None:
        """Take the users out of what snmpd remembers: they would stand before those of its file (createUser)."""
        file = Path("/var/lib/snmp/snmpd.conf")
        if file.exists():
            stat = file.stat()
            kept = [line for line in file.read_text().split("\n") if not line.startswith("usmUser ")]
            _write(file, "\n".join(kept), 0o600)
            os.chown(file, stat.st_uid, stat.st_gid)


# ---------------------------------------------------------------------------------------------------------------------
# The table of parts, in the order in which they are applied: names and filters before addresses, addresses before
# routing, what others ask before what this session comes through

# ifupdown2 knows its own words, and says so only if its settings ask for it.
_INTERFACES = Checker(
    Interfaces.path,
    """unshare --mount sh -ec '
    settings=/etc/network/ifupdown2/ifupdown2.conf
    { grep -v ^addon_syntax_check= $settings; echo addon_syntax_check=1; } > "$1.settings"
    mount --bind "$1.settings" $settings
    exec ifup -a -s -i "$1"' sh {file}""",
    r"(?:error|warning): (?!/sbin/brctl)(?:\S+: line(?P<line>\d+): )?(?P<words>.*)",
)

# lldpcli has no dry run: it talks to a daemon that nobody else sees.
_LLDP = Checker(
    "/etc/lldpd.d/netdr.conf",
    """unshare --net --mount sh -c '
    exec 3<"$1"
    mount -t tmpfs tmpfs /run && mkdir /run/lldpd && cat <&3 >/run/candidate && lldpd -u /run/socket || exit
    lldpcli -u /run/socket -c /run/candidate
    kill $(cat /run/lldpd.pid)' sh {file}""",
    r"\S+ \[WARN/lldpctl\] (?P<line>)(?P<words>.*)",
    always=True,
)

PARTS: tuple[Part, ...] = (
    Identity("identity", (Identity.name_file, Identity.keys_file)),
    Filter(
        "filter",
        (Filter.absent.path,),
        (Checker(Filter.absent.path, "unshare --net nft -f {file}", r"\S+:(?P<line>\d+):[-\d]+: (?P<words>.*)"),),
    ),
    Interfaces("interfaces", (_INTERFACES.path,), (_INTERFACES,)),
    Routing(
        "routing",
        (Routing.absent.path,),
        (Checker(Routing.absent.path, "vtysh -C -f {file}", r"line (?P<line>\d+): (?P<words>.*)"),),
    ),
    Part("banner", ("/etc/issue.net",)),
    Daemon(
        "time",
        Checker(
            "/etc/chrony/chrony.conf", "chronyd -p -f {file}", r"\S+ (?P<words>.*error : .*?(?:line (?P<line>\d+).*)?)"
        ),
        Service("chrony", "chronyd"),
    ),
    Daemon(
        "syslog",
        Checker(
            "/etc/rsyslog.d/netdr.conf",
            "rsyslogd -N1 -f {file}",
            r"rsyslogd: (?P<words>(?:error|invalid|warning).*?(?:line (?P<line>\d+).*)?)",
        ),
        Service("rsyslog", "rsyslogd", pidfile="/run/rsyslogd.pid"),
    ),
    Daemon("lldp", _LLDP, Service("lldpd", "lldpd")),
    Snmp(
        "snmp",
        Checker(
            "/etc/snmp/snmpd.conf",
            # With -H it reads its configuration, complains, and ends before it opens anything. No MIB files: -m ''.
            "snmpd -C -c {file} -m '' -Lo -H",
            # An agent that nobody may ask is no mistake.
            r"(?:\S+: line (?P<line>\d+): )?(?P<words>(?:Error|Warning): (?!no access control).*)",
            always=True,
        ),
        Service("snmpd", "snmpd", listens=True),
    ),
    Ssh(
        Checker(
            "/etc/ssh/sshd_config",
            "sshd -t -f {file}",
            r"(?!.*: terminating, )\S+(?::? line (?P<line>\d+):?)? (?P<words>.*)",
        ),
        Service("ssh", "sshd", listens=True),
    ),
)

OWNED: dict[str, str] = {path: part.name for part in PARTS for path in part.paths}


def _of(part: Part, files: Iterable[File]) -> dict[str, File]:
    return {file.path: file for file in files if file.path in part.paths}


# ---------------------------------------------------------------------------------------------------------------------
# Files on disk


def _write(file: Path, text: str, mode: int) -> None:
    """Write a file so that after a power cut it is the old one or the new one."""
    new = _stage(file, text, mode)
    new.replace(file)
    _sync_folder(file.parent)


def _stage(file: Path, text: str, mode: int) -> Path:
    """Write a file's next content beside it, on disk, and return where."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.netdr-new")
    try:
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)  # before there is anything in it to read
        with new.open("w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        new.unlink(missing_ok=True)
        raise
    return new


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _on_disk() -> tuple[File, ...]:
    """Return the owned files that exist, with what the text cannot hold made into what it can."""
    found = []
    for path in sorted(OWNED):
        file = Path(path)
        if file.is_file():
            stat, text = file.stat(), file.read_text(encoding="utf-8", errors="replace")
            text = re.sub(r"^#:", "# :", text.replace("\r", "").replace("\0", ""), flags=re.MULTILINE)
            text += "\n" if text and not text.endswith("\n") else ""
            found.append(File(path, f"{stat.st_mode & 0o777:04o}", f"{_user(stat.st_uid)}:{_group(stat.st_gid)}", text))
    return tuple(found)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "nobody"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "nogroup"


def _install(part: Part, files: Files) -> None:
    """Put a part's files on disk, staged before they replace any, and take away those that ``files`` lacks."""
    staged = [(Path(path), _stage_owned(file)) for path, file in files.items()]
    for file, new in staged:
        new.replace(file)
    for path in part.paths:
        if path not in files:
            Path(path).unlink(missing_ok=True)
    for folder in {Path(path).parent for path in part.paths}:
        if folder.is_dir():
            _sync_folder(folder)


def _stage_owned(file: File) -> Path:
    new = _stage(Path(file.path), file.content, 0o600)
    user, _, group = file.owner.partition(":")
    os.chown(new, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
    new.chmod(int(file.mode, 8))
    return new


# ---------------------------------------------------------------------------------------------------------------------
# What runs, and what a candidate would change


def _seen_file() -> Path:
    return _STATE / "seen.json"


class Running(NamedTuple):
    """The configuration as it is: the files, and the files as they would have to be to say what runs."""

    disk: tuple[File, ...]
    shown: tuple[File, ...]

    def changed(self, candidate: Iterable[File]) -> list[Part]:
        """Return the parts that a candidate would change."""
        files = tuple(candidate)
        return [part for part in PARTS if _of(part, files) != _of(part, self.shown)]


def running() -> Running:
    """Return what is on disk, and the same with the running system's own truth wherever that is another.

    A part's state that was once found to be what its file says is remembered: to compare is dearer than to look.
    """
    disk = _on_disk()
    seen, now = _seen(), {}
    shown: dict[str, File] = {}
    for part in PARTS:
        files = _of(part, disk)
        live = part.live()
        print_ = _print(files, live)
        differences = [] if seen.get(part.name) == print_ else part.differences(files, live)
        shown |= part.shown(files, live, differences) if differences else files
        if live and not differences:
            now[part.name] = print_
    if now != seen:
        _remember(now)
    return Running(disk, tuple(shown[path] for path in sorted(shown)))


def _print(files: Files, live: str) -> str:
    return sha256(json.dumps([sorted(files.items()), live]).encode()).hexdigest()


def _seen() -> dict[str, str]:
    try:
        return dict(json.loads(_seen_file().read_text()))
    except (OSError, ValueError):
        return {}


def _remember(seen: Mapping[str, str]) -> None:
    """Keep what was found equal. Not being able to costs time, not truth."""
    try:
        _STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(_seen_file(), json.dumps(seen), 0o600)
    except OSError:
        return


# What the checkers of some parts have accepted since this call of the program began, by its hash: a session that
# commits what it has just had checked does not pay twice.
_accepted: set[str] = set()


def _check(candidate: tuple[File, ...], parts: Iterable[Part]) -> list[Problem]:
    """Return every refusal of these parts' checkers, with lines counted in the whole text."""
    wanted = list(parts)
    key = sha256(json.dumps([candidate, [part.name for part in wanted]]).encode()).hexdigest()
    problems = [] if key in _accepted else _problems(candidate, wanted)
    if not problems:
        _accepted.add(key)
    return problems


def _problems(candidate: tuple[File, ...], parts: Iterable[Part]) -> list[Problem]:
    shutil.rmtree(_SCRATCH / "candidate", ignore_errors=True)
    scratch, lines = _SCRATCH / "candidate", places(candidate)
    found: list[Problem] = []
    try:
        for file in candidate:
            _write(Path(f"{scratch}{file.path}"), file.content, 0o600)
            found += [Problem(lines[file.path], "format", words) for words in _owner_problems(file)]
        for part in parts:
            for path, problem in part.check(_of(part, candidate), scratch):
                line = lines.get(path, 0) + problem.line
                where = f"{path}:{problem.line}: " if problem.line else ""
                found.append(problem._replace(line=line, words=where + problem.words))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return sorted(found)


def _owner_problems(file: File) -> list[str]:
    user, _, group = file.owner.partition(":")
    known = {"user": [row.pw_name for row in pwd.getpwall()], "group": [row.gr_name for row in grp.getgrall()]}
    return [
        f"{file.path}: this device has no {kind} {name!r}"
        for kind, name in (("user", user), ("group", group))
        if name not in known[kind]
    ]


def _diff(old: Iterable[File], new: Iterable[File]) -> str:
    """Return a unified diff per file, as GNU diff -u words it, with the attributes as the first line of each file."""
    before, after = ({file.path: dump([file]).removesuffix("\n").split("\n") for file in files} for files in (old, new))
    found: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        old_name, new_name = (path if path in side else "/dev/null" for side in (before, after))
        found += unified_diff(before.get(path, []), after.get(path, []), old_name, new_name, lineterm="")
    return "".join(f"{line}\n" for line in found)


# ---------------------------------------------------------------------------------------------------------------------
# The record of a commit: on disk before the first change, gone when there is nothing left to undo


class Record(NamedTuple):
    """A commit that can still be undone. ``state`` is applying, pending or undoing."""

    id: str
    by: str
    message: str
    state: str
    since: float  # seconds since the epoch, for people
    deadline: float | None  # seconds of CLOCK_BOOTTIME: no clock step shortens or prolongs it
    boot: str
    timer: int
    parts: tuple[str, ...]
    disk: str  # the files before the commit
    running: str  # what ran before the commit
    tries: int = 0  # how often it was tried to undo it

    def due(self) -> bool:
        """Whether the time to confirm is over, or the device has restarted since."""
        return self.boot != _boot() or (self.deadline is not None and self.left() <= 0)

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return (self.deadline or 0.0) - time.clock_gettime(time.CLOCK_BOOTTIME)

    def who(self) -> str:
        """Return who committed it and when."""
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"commit {self.id} of {self.by or 'somebody'}, {at}{f', {self.message!r}' if self.message else ''}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _record_file() -> Path:
    return _STATE / "commit.json"


def _previous_file() -> Path:
    return _STATE / "previous.json"


def _undone_file() -> Path:
    return _STATE / "undone.json"


def _load() -> Record | None:
    try:
        fields = json.loads(_record_file().read_text())
    except FileNotFoundError:
        return None
    # Another version of this program may have written it.
    known = {name: value for name, value in fields.items() if name in Record._fields}
    return Record(**{**known, "parts": tuple(fields["parts"])})


def _save(record: Record) -> None:
    _STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(_record_file(), json.dumps(record._asdict()), 0o600)


def _forget() -> None:
    _record_file().unlink(missing_ok=True)
    _sync_folder(_STATE)


def _take(lock: TextIO, wait: float) -> None:
    """Take the lock, and leave our process number in it for whoever waits. Raise Refused('busy') after ``wait`` s."""
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                lock.seek(0)
                holder = f"process {lock.read().strip()} has been at work on the configuration for {wait:.0f} s"
                raise Refused("busy", [Problem(0, "lock", holder)]) from None
            time.sleep(0.02)
    with suppress(OSError):  # on a full disk a commit must still be undone
        lock.truncate(0)
        os.write(lock.fileno(), str(os.getpid()).encode())


@contextmanager
def _locked(wait: float = _LOCK_WAIT) -> Iterator[Record | None]:
    """Hold the program's lock and yield what is pending, having undone what a killed call or a deadline has left."""
    _STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (_STATE / "lock").open("a+") as lock:
        _take(lock, wait)
        record = _load()
        if record and (record.state != "pending" or record.due()):
            reason = "it was not confirmed in time" if record.state == "pending" else "it was never finished"
            _undo(record, reason)
            record = None
        yield record


def _log(words: str) -> None:
    """Write a line to the log. A full disk must not stop a device from being put back."""
    line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words}\n"
    try:
        with _LOG.open("a") as stream:
            stream.write(line)
    except OSError:
        return


def _undo(record: Record, reason: str) -> list[Problem]:
    """Put the files and the running state of before the commit back, and return what is not as it was all the same.

    The record goes when everything is back. Raise Refused('undo') if a part does not take it: the next calls try again,
    until _TRIES are over. Then the files are those of before, and what runs is told as it is.
    """
    record = record._replace(state="undoing", tries=record.tries + 1)
    _save_anyway(record)
    disk, shown = parse(record.disk), parse(record.running)
    failed = []
    for part in reversed(PARTS):
        if part.name in record.parts:
            _put_back(part, _of(part, disk))
            words = part.apply(_of(part, shown))
            failed += [Problem(0, part.name, words)] if words else []
    if failed:
        _log(f"{record.who()}: not undone at try {record.tries} ({reason}): {'; '.join(map(str, failed))}")
        if record.tries >= _TRIES:
            _forget()
        raise Refused("undo", failed)
    left = [Problem(0, part.name, "it does not run as before the commit") for part in running().changed(shown)]
    _log(f"{record.who()}: undone, {reason}{''.join(f'; {problem}' for problem in left)}")
    _tell(record, reason)
    _forget()
    _end_timer(record)
    return left


def _tell(record: Record, reason: str) -> None:
    """Keep why a commit is no more, for who made it. Not being able to costs a reason, not the way back."""
    with suppress(OSError):
        _write(_undone_file(), json.dumps({"id": record.id, "why": reason}), 0o600)


def _last_undone() -> dict[str, str]:
    try:
        return dict(json.loads(_undone_file().read_text()))
    except (OSError, ValueError):
        return {}


def _fate(identity: str) -> str:
    """Return why a commit is no more, as the end of a sentence; empty if nobody knows."""
    undone = _last_undone()
    return f": {undone['why']}" if undone and undone.get("id") == identity else ""


def _put_back(part: Part, files: Files) -> None:
    """Put a part's files of before back, also on a full disk: there, those of after make room first."""
    try:
        _install(part, files)
    except OSError:
        for path in part.paths:
            Path(path).unlink(missing_ok=True)
        _install(part, files)


def _save_anyway(record: Record) -> None:
    try:
        _save(record)
    except OSError as error:  # a full disk: the record that is there says what to undo as well
        _log(f"cannot write the record: {error}")


def _start_timer(identity: str, seconds: int) -> int:
    """Leave a process behind that ends the commit's time, whoever is connected by then. Return its number."""
    return _spawn(
        "sh", "-c", 'sleep "$1"; exec "$0" expire "$2"', str(Path(__file__).resolve()), str(seconds), identity
    )


def _end_timer(record: Record) -> None:
    if not record.timer or record.timer == os.getpid():
        return
    try:
        if record.id in Path(f"/proc/{record.timer}/cmdline").read_text().split("\0"):
            os.killpg(record.timer, signal.SIGTERM)
    except OSError:
        return


# ---------------------------------------------------------------------------------------------------------------------
# The fence: which change of the whole network may touch this device. Numbers only grow, whoever gives them


class Fence(NamedTuple):
    """The claim of a change: its number, whose it is, and whether the change still goes on."""

    token: int = 0
    holder: str = ""
    held: bool = False


def _fence_file() -> Path:
    return _STATE / "fence.json"


def _fence() -> Fence:
    try:
        return Fence(**json.loads(_fence_file().read_text()))
    except FileNotFoundError:
        return Fence()


def _admit(token: int, verb: str) -> None:
    """Refuse a verb that changes something unless it comes from the change that holds the device, if one does."""
    fence = _fence()
    if token == fence.token * fence.held:
        return
    who = f"change {fence.token} of {fence.holder or 'somebody'}"
    if token:
        words = f"{who} has come after this one, number {token}" if fence.token > token else f"{who} has ended"
        raise Refused("fenced", [Problem(0, verb, words)])
    words = f"{who} holds this device; if its controller is gone for good: netdr-device release {fence.token}"
    raise Refused("held", [Problem(0, verb, words)])


def _verb_fence() -> dict[str, Any]:
    """Return the claim as it stands."""
    with _locked():
        return _fence()._asdict()


def _verb_claim(token: int, holder: str, take_over: bool = False) -> dict[str, Any]:
    """Let nobody but one change touch this device; ``take_over`` also ends the claim of one that never ended."""
    if not token > 0:
        raise Refused("usage", [Problem(0, "claim", f"not the number of a change: {token}")])
    with _locked():
        fence, wanted = _fence(), Fence(token, holder, held=True)
        who = f"change {fence.token} of {fence.holder or 'somebody'}"
        if token < fence.token or (token == fence.token and fence != wanted):
            raise Refused("fenced", [Problem(0, "claim", f"{who} has come before this one, number {token}")])
        if fence.held and fence != wanted and not take_over:
            raise Refused("held", [Problem(0, "claim", f"{who} holds this device")])
        if fence != wanted:
            _write(_fence_file(), json.dumps(wanted._asdict()), 0o600)
        return fence._asdict()


def _verb_release(token: int) -> dict[str, Any]:
    """End the claim of a change, if it is the one that holds the device."""
    with _locked():
        fence = _fence()
        if fence.held and fence.token == token:
            _write(_fence_file(), json.dumps(fence._replace(held=False)._asdict()), 0o600)
        return {"released": fence.held and fence.token == token}


# ---------------------------------------------------------------------------------------------------------------------
# The verbs. Each takes what the request says and returns the answer, ready for JSON


def _verb_running() -> dict[str, Any]:
    with _locked():
        now = running()
    text = dump(now.shown)
    return {"text": text, "startup": dump(now.disk), "sha256": sha256(text.encode()).hexdigest()}


def _candidate(text: str) -> tuple[File, ...]:
    try:
        return parse(text)
    except FormatError as error:
        raise Refused("candidate", error.problems) from None


def _verb_check(text: str) -> dict[str, Any]:
    """Check a candidate and say what it would change."""
    with _locked():
        files, now = _candidate(text), running()
        parts = now.changed(files)
        problems = _check(files, parts)
    if problems:
        raise Refused("candidate", problems)
    return {"changed": [part.name for part in parts], "diff": _diff(now.shown, files)}


def _verb_diff(text: str) -> dict[str, Any]:
    with _locked():
        return {"text": _diff(running().shown, _candidate(text))}


def _verb_commit(  # noqa: PLR0913, PLR0917 - the words of the request
    text: str,
    revert_in: int | None = None,
    identity: str = "",
    by: str = "",
    message: str = "",
    token: int = 0,
) -> dict[str, Any]:
    """Check a candidate, apply it, and keep it or, with ``revert_in``, wait that many seconds for its confirmation."""
    if revert_in is not None and not 0 < revert_in <= 86400:
        raise Refused("usage", [Problem(0, "commit", f"revert_in is {revert_in}; it must be 1 to 86400 seconds")])
    if identity and not re.fullmatch(r"[\w.-]{1,64}", identity):
        raise Refused("usage", [Problem(0, "commit", f"not an id: {identity!r}")])
    with _locked() as pending:
        _admit(token, "commit")
        if pending:
            words = f"{pending.who()} waits for its confirmation for another {pending.left():.0f} s"
            raise Refused("pending", [Problem(0, "commit", words)])
        files, now = _candidate(text), running()
        problems = _check(files, now.changed(files))
        if problems:
            raise Refused("candidate", problems)
        return _commit(now, files, revert_in, (identity or os.urandom(4).hex(), by, message))


def _commit(
    now: Running, files: tuple[File, ...], revert_in: int | None, label: tuple[str, str, str]
) -> dict[str, Any]:
    """Apply checked files, under the lock. ``label`` is the commit's id, author and message."""
    parts = now.changed(files)
    identity, *_ = label
    answer = {"id": identity, "changed": [part.name for part in parts], "pending": False}
    if not parts:
        return answer
    names = tuple(part.name for part in parts)
    record = Record(*label, "applying", time.time(), None, _boot(), 0, names, dump(now.disk), dump(now.shown))
    _save(record)
    # Should this call be killed, the first timer makes the call that finds the record.
    record = record._replace(timer=_start_timer(identity, revert_in)) if revert_in else record
    failed = _apply(files, parts)
    if failed:
        try:
            left = _undo(record, f"{failed.part} refused it")
        except Refused as undone:
            raise Refused("undo", [failed, *undone.problems]) from None
        raise Refused("apply", [failed, *left])
    if revert_in:
        _await(record, revert_in)
    else:
        _keep(record)
    _log(
        f"{record.who()}: applied to {', '.join(names)}{f', to be confirmed within {revert_in} s' if revert_in else ''}"
    )
    return {**answer, "pending": bool(revert_in)}


def _await(record: Record, seconds: int) -> None:
    """Make an applied commit wait for its confirmation, so many seconds from now."""
    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    timer = _start_timer(record.id, seconds)
    _end_timer(record)
    _save(record._replace(state="pending", deadline=deadline, timer=timer))


def _apply(files: tuple[File, ...], parts: Iterable[Part]) -> Problem | None:
    """Apply each part and read it back. Return the first failure."""
    for part in parts:
        wanted = _of(part, files)
        try:
            _install(part, wanted)
            words = part.apply(wanted)
            live = part.live()
            words = words or "\n".join(part.differences(wanted, live))
        except OSError as error:
            words = str(error)
        if words:
            return Problem(places(files).get(part.paths[0], 0), part.name, words)
        _remember({**_seen(), part.name: _print(wanted, live)})
    return None


def _keep(record: Record) -> None:
    """Make a commit final: what was before it is now the previous set."""
    _write(_previous_file(), json.dumps({"text": record.disk, "id": record.id, "since": record.since}), 0o600)
    _forget()
    _end_timer(record)


def _verb_confirm(identity: str = "", token: int = 0) -> dict[str, Any]:
    """Keep the pending commit; with ``identity`` only if it is that one."""
    with _locked() as pending:
        _admit(token, "confirm")
        if not pending or (identity and identity != pending.id):
            words = f"no pending commit{f' {identity}' if identity else ''}{_fate(identity)}"
            raise Refused("no-pending", [Problem(0, "confirm", words)])
        _keep(pending)
        _log(f"{pending.who()}: confirmed")
        return {"id": pending.id}


def _verb_expire(identity: str) -> dict[str, Any]:
    """Undo a commit whose timer this is, if it is still there and its time is over."""
    with _locked(wait=3600.0) as pending:
        # A second of tolerance: the timer's clock is not the deadline's.
        if pending and pending.id == identity and pending.left() < 1.0:
            _undo(pending, "it was not confirmed in time")
    return {}


def _verb_rollback(token: int = 0) -> dict[str, Any]:
    """Undo the pending commit; if there is none, commit the file set of before the last commit."""
    with _locked() as pending:
        _admit(token, "rollback")
        if pending:
            _undo(pending, "it was rolled back")
            return {"id": pending.id, "undone": True}
        try:
            previous = json.loads(_previous_file().read_text())
        except FileNotFoundError:
            words = "no earlier file set is kept on this device"
            raise Refused("no-previous", [Problem(0, "rollback", words)]) from None
        # Not checked: it ran here before, whatever a checker thinks of it.
        label = (os.urandom(4).hex(), "", f"rollback of {previous['id']}")
        return {**_commit(running(), parse(previous["text"]), None, label), "undone": False}


def _verb_pending() -> dict[str, Any]:
    """Return the commit that waits for its confirmation; if there is none, what became of the last one undone."""
    with _locked() as pending:
        if not pending:
            return {"pending": False, "undone": _last_undone()}
        left = pending.left()
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + left))
        who = {"id": pending.id, "by": pending.by, "message": pending.message}
        return {"pending": True, **who, "deadline": until, "seconds_left": round(left, 1)}


def _verb_boot() -> dict[str, Any]:
    """Put the files of before an unconfirmed commit back, before anything reads them. Nothing is running yet."""
    record = _load()
    if record is None:
        return {"undone": False}
    disk = parse(record.disk)
    for part in PARTS:
        if part.name in record.parts:
            _put_back(part, _of(part, disk))
    _forget()
    words = f"{record.who()}: undone, the device restarted before it was confirmed"
    _tell(record, "the device restarted before it was confirmed")
    _log(words)
    return {"undone": True, "id": record.id, "words": words}


# What the driver reads besides the configuration: programs that change nothing.
QUERIES: dict[str, tuple[str, ...]] = {
    "addresses": ("ip", "-j", "address", "show"),
    "counters": ("ip", "-j", "-s", "link", "show"),
    "neighbours": ("ip", "-j", "neighbour", "show"),
    "lldp": ("lldpcli", "-f", "json0", "show", "neighbors", "details"),
}


def _verb_read(names: list[str]) -> dict[str, Any]:
    """Return the output of each query: a name of QUERIES or a ``show`` line for FRR."""
    outputs = {}
    for name in names:
        if name in QUERIES:
            ran = _run(*QUERIES[name])
        elif re.fullmatch(r"show [\w ./:*-]+", name):
            ran = _run("vtysh", "-c", name)
            if name.endswith(" json") and "is not running" in ran.err:
                ran = Ran(0, "{}", "")  # a daemon that does not run has nothing to show
        else:
            words = f"unknown query {name!r}; known: {', '.join(sorted(QUERIES))}, or a 'show …' line for FRR"
            raise Refused("usage", [Problem(0, "read", words)])
        if ran.code:
            raise Refused("system", [Problem(0, name, ran.words() or f"ended with {ran.code}")])
        outputs[name] = ran.out
    return {"outputs": outputs}


PING: dict[str, object] = {"source": "", "ttl": 255, "timeout": 2, "size": 100, "count": 5, "vrf": ""}  # NAPALM's


def _verb_ping(destination: str, **options: object) -> dict[str, Any]:
    """Send ICMP echo requests, with the options of PING, and return ping's output and status."""
    asked = {**PING, **options}
    for word in (destination, str(asked["source"]), str(asked["vrf"])):
        if not re.fullmatch(r"[\w:.%][\w:.%-]*|", word):
            raise Refused("usage", [Problem(0, "ping", f"not an address or a name: {word!r}")])
    flags = {"-t": "ttl", "-W": "timeout", "-s": "size", "-c": "count"}
    argv = [word for flag, name in flags.items() for word in (flag, f"{asked[name]:d}")]
    source = ["-I", str(asked["source"])] if asked["source"] else []
    prefix = ["ip", "vrf", "exec", str(asked["vrf"])] if asked["vrf"] else []
    ran = _run(*prefix, "ping", "-n", "-i", "0.2", *argv, *source, "--", destination)
    return {"code": ran.code, "output": ran.out, "words": ran.words()}


def _verb_answers(destinations: list[str], source: str, timeout: float = 0.5) -> dict[str, Any]:
    """Send each address one ICMP echo request, all at once, and return those that answer within ``timeout`` seconds."""
    for word in (*destinations, source):
        if not re.fullmatch(r"[\d.]+", word):
            raise Refused("usage", [Problem(0, "answers", f"not an address: {word!r}")])
    nothing = subprocess.DEVNULL
    options = ("-n", "-q", "-c", "1", "-W", f"{float(timeout):g}", "-I", source)
    asked = {to: subprocess.Popen(["ping", *options, "--", to], stdout=nothing, stderr=nothing) for to in destinations}
    return {"answering": [to for to, program in asked.items() if program.wait(_LIMIT) == 0]}


def _verb_facts() -> dict[str, Any]:
    """Return what the device is."""
    release = dict(re.findall(r'^(\w+)="?(.*?)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    frr = _run("dpkg-query", "-W", "-f", "${Version}", "frr").out
    names = sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name != "bonding_masters")
    return {
        "hostname": socket.gethostname(),
        "fqdn": socket.gethostname(),
        "vendor": _dmi("sys_vendor") or "unknown",
        "model": _dmi("product_name") or "unknown",
        "serial_number": _dmi("product_serial") or "unknown",
        "os_version": f"{release.get('PRETTY_NAME', 'Linux')}, FRR {frr or 'not installed'}",
        "uptime": _uptime(),
        "interfaces": {name: _speed(name) for name in names},
    }


def _dmi(name: str) -> str:
    try:
        return Path(f"/sys/class/dmi/id/{name}").read_text().strip()
    except OSError:
        return ""


def _speed(name: str) -> float:
    """Return a link's speed in Mbit/s, -1 if the kernel knows none."""
    try:
        return float(Path(f"/sys/class/net/{name}/speed").read_text())
    except (OSError, ValueError):
        return -1.0


def _uptime() -> float:
    """Return the seconds since process 1 started: the device's age also where the kernel is shared."""
    ticks = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def _verb_hello() -> dict[str, Any]:
    """Return the SHA-256 of this program."""
    return {"program": sha256(Path(__file__).read_bytes()).hexdigest()}


VERBS: dict[str, Callable[..., dict[str, Any]]] = {
    "running": _verb_running,
    "check": _verb_check,
    "diff": _verb_diff,
    "commit": _verb_commit,
    "confirm": _verb_confirm,
    "expire": _verb_expire,
    "rollback": _verb_rollback,
    "pending": _verb_pending,
    "fence": _verb_fence,
    "claim": _verb_claim,
    "release": _verb_release,
    "boot": _verb_boot,
    "read": _verb_read,
    "ping": _verb_ping,
    "answers": _verb_answers,
    "facts": _verb_facts,
    "hello": _verb_hello,
}

# ---------------------------------------------------------------------------------------------------------------------
# The door: one verb per call, or a session of JSON lines


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Given a request (``verb`` and its arguments), do it and return the answer, an ``error`` if it was refused."""
    name = str(request.get("verb"))
    verb: Callable[..., dict[str, Any]] = VERBS.get(name, _unknown)
    try:
        return verb(**{key: value for key, value in request.items() if key != "verb"})
    except Refused as refused:
        return refused.answer()
    except OSError as error:
        return Refused("system", [Problem(0, name, str(error))]).answer()
    except (TypeError, ValueError) as error:
        return Refused("usage", [Problem(0, name, str(error))]).answer()


def _unknown(**_: object) -> dict[str, Any]:
    raise Refused("usage", [Problem(0, "request", f"unknown verb; known: {', '.join(VERBS)}")])


_BEAT = 2.0  # seconds between the empty lines that say: still at work


def session() -> None:
    """Answer requests, one JSON object per line, until the input ends; empty lines while an answer takes its time.

    Without them, whoever asks could not tell a long commit from a device that has lost its power.
    """
    for line in sys.stdin:
        done = threading.Event()
        beating = threading.Thread(target=_beat, args=(done,), daemon=True)
        beating.start()
        reply = answer(json.loads(line))
        done.set()
        beating.join()
        _say(json.dumps(reply) + "\n")


def _beat(done: threading.Event) -> None:
    with suppress(OSError):  # nobody listens any more; what was asked is done all the same
        while not done.wait(_BEAT):
            _say("\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    """Run one verb, or ``session``. Texts are printed as they are, all else as JSON; the status is 0 if it was done."""
    os.environ |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    # A commit goes on when it cuts off who started it. Handlers and not SIG_IGN, which children would inherit.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, lambda *_: None)
    if argv == ["session"]:
        session()
        return 0
    if not argv or argv[0] not in VERBS:
        _say(f"usage: netdr-device VERB [--KEY VALUE]… [WORD]…; verbs: session, {', '.join(VERBS)}\n")
        return 2
    reply = answer(_request(argv))
    _say(reply["text"] if "text" in reply else json.dumps(reply, ensure_ascii=False) + "\n")
    return 1 if "error" in reply else 0


def _request(argv: list[str]) -> dict[str, Any]:
    """Return the request of a command line: candidates come on standard input."""
    verb, *words = argv
    request: dict[str, Any] = {"verb": verb}
    if verb in {"check", "diff", "commit"}:
        request["text"] = sys.stdin.read()
    while len(words) > 1 and words[0].startswith("--"):
        key, value, *words = words
        name = {"--id": "identity"}.get(key, key.removeprefix("--").replace("-", "_"))
        request[name] = int(value) if name in {"revert_in", "token"} else value
    if words:
        name = {"read": "names", "ping": "destination", "release": "token"}.get(verb, "identity")
        request[name] = words if verb == "read" else int(words[0]) if name == "token" else words[0]
    return request


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
