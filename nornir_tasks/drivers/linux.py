"""The NAPALM driver of the ``linux`` platform: Debian with ifupdown2, nftables, FRR, Net-SNMP and OpenSSH.

The device does the work (``linux_device``); this translates between NAPALM's words and its own.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napalm.base import constants as c
from napalm.base.base import NetworkDriver
from napalm.base.exceptions import (
    CommandErrorException,
    CommitError,
    LockError,
    MergeConfigException,
    NapalmException,
    ReplaceConfigException,
)

from inventory import platforms
from nornir_tasks.drivers import linux_getters as getters
from nornir_tasks.drivers.linux_device import FormatError, dump, parse
from nornir_tasks.drivers.linux_session import Endpoint, Refusal, Session
from nornir_tasks.drivers.linux_verbs import Verbs


class FencedException(LockError):  # type: ignore[misc]  # noqa: N818 - NAPALM's way of naming; it ships no types
    """A later change has claimed the device: whoever asks is to give up."""


# What a refusal of the device is to NAPALM. A refused candidate depends on how it was loaded.
ERRORS: Mapping[str, type[NapalmException]] = {
    "apply": CommitError,
    "undo": CommitError,
    "pending": CommitError,
    "no-pending": CommitError,
    "no-previous": CommitError,
    "busy": LockError,
    "held": LockError,
    "fenced": FencedException,
    "usage": CommandErrorException,
    "system": CommandErrorException,
}
# What a sanitized configuration shows in place of a secret.
MASK = "<removed>"
# Secrets of hand-written files, besides those of the platform's templates (platform.yaml).
_SECRETS = (
    re.compile(r'^createUser \S+ \S+ ("[^"]*"|\S+)', re.MULTILINE),
    re.compile(r'^createUser \S+ \S+ (?:"[^"]*"|\S+) \S+ ("[^"]*"|\S+)', re.MULTILINE),
    re.compile(r"^r[ow]community6? (\S+)", re.MULTILINE),
    re.compile(r"^(?:enable )?password (\S+)", re.MULTILINE),
)


class LinuxDriver(NetworkDriver):  # type: ignore[misc]  # napalm ships no types
    """NAPALM's interface to a linux device.

    ``optional_args``: ``key_file`` and ``known_hosts`` (paths, both needed to open), ``port`` (22). The password is not
    used: netdr's account has none.
    """

    platform = "linux"

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str,
        timeout: int = 60,
        optional_args: dict[str, Any] | None = None,
    ) -> None:
        del password
        options = optional_args or {}
        self.hostname, self.username, self.timeout = hostname, username, timeout
        known_hosts, key_file = (str(options.get(name, "")) for name in ("known_hosts", "key_file"))
        port = int(options.get("port", 22))
        self._session = Session(Endpoint(hostname, username, port, known_hosts, key_file, float(timeout)))
        self._candidate = ""
        self._refused: type[NapalmException] = ReplaceConfigException
        self._commit = ""
        self.verbs = Verbs(self._ask)

    def open(self) -> None:
        """Connect. Raise ConnectionException or one of its subclasses, each naming the device."""
        self._session.open()

    def close(self) -> None:
        """Disconnect. What is pending on the device stays pending."""
        self._session.close()

    def is_alive(self) -> dict[str, bool]:
        """Return whether the connection stands."""
        return {"is_alive": self._session.alive()}

    # -- configuration

    def load_replace_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Make a text the candidate that replaces all files. Raise ReplaceConfigException if it is refused."""
        self._refused = ReplaceConfigException
        self._load(_text(filename, config))

    def load_merge_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Make the running files the candidate, with those of a text in place of their namesakes or added.

        Raise MergeConfigException if the text or the result is refused.
        """
        self._refused = MergeConfigException
        base = self._candidate or str(self._ask("running")["text"])
        try:
            files = {file.path: file for file in (*parse(base), *parse(_text(filename, config)))}
        except FormatError as error:
            raise MergeConfigException(str(error)) from None
        self._load(dump(files.values()))

    def _load(self, text: str) -> None:
        self._candidate = ""
        self._ask("check", text=text)
        self._candidate = text

    def compare_config(self) -> str:
        """Return the device's own unified diff from what runs to the candidate; empty if there is none."""
        return str(self._ask("diff", text=self._candidate)["text"]).rstrip("\n") if self._candidate else ""

    def commit_config(self, message: str = "", revert_in: int | None = None) -> None:
        """Apply the candidate, whole or not at all; with ``revert_in`` (seconds) until it is confirmed or that is over.

        Raise CommitError with the device's words if a part does not take it or another commit is pending.
        """
        if not self._candidate:
            raise CommitError(f"{self.hostname}: there is no candidate to commit")
        by = f"{getpass.getuser()}@{socket.gethostname()}"
        text, self._candidate = self._candidate, ""
        mine = {"token": self.verbs.token, "identity": self.verbs.identity}
        done = self._ask("commit", text=text, revert_in=revert_in, by=by, message=message, **mine)
        self._commit = str(done["id"]) if done["pending"] else ""

    def has_pending_commit(self) -> bool:
        """Return whether a commit waits for its confirmation, whoever made it."""
        return bool(self._ask("pending")["pending"])

    def confirm_commit(self) -> None:
        """Make the pending commit final: ours, if we made one. Raise CommitError if it is not pending any more."""
        identity, self._commit = self._commit, ""
        self._ask("confirm", identity=identity, token=self.verbs.token)

    def rollback(self) -> None:
        """Undo the pending commit, or else go back to the files before the last one. Raise CommitError without any."""
        self._ask("rollback", token=self.verbs.token)

    def discard_config(self) -> None:
        """Forget the candidate."""
        self._candidate = ""

    def get_config(
        self,
        retrieve: str = "all",
        full: bool = False,
        sanitized: bool = False,
        format: str = "text",  # noqa: A002 - NAPALM's name
    ) -> dict[str, str]:
        """Return what runs, the files (``startup``) and the candidate; with ``sanitized`` without their secrets."""
        del full, format
        found = {"running": "", "startup": "", "candidate": ""}
        if retrieve in {"all", "running", "startup"}:
            now = self._ask("running")
            found |= {"running": str(now["text"]), "startup": str(now["startup"])}
        found["candidate"] = self._candidate
        wanted = found if retrieve == "all" else {retrieve}
        return {
            name: (_sanitize(text) if sanitized else text) if name in wanted else "" for name, text in found.items()
        }

    # -- what the device is and does

    def get_facts(self) -> dict[str, Any]:
        """Return what the device is."""
        facts = dict(self._ask("facts"))
        names = list(facts.pop("interfaces"))
        return {**facts, "interface_list": names}

    def get_interfaces(self) -> dict[str, dict[str, Any]]:
        """Return the interfaces and their state."""
        return getters.interfaces(self._read("addresses"), self._ask("facts")["interfaces"])

    def get_interfaces_ip(self) -> dict[str, dict[str, Any]]:
        """Return the interfaces' addresses."""
        return getters.interfaces_ip(self._read("addresses"))

    def get_interfaces_counters(self) -> dict[str, dict[str, Any]]:
        """Return the interfaces' counters."""
        return getters.counters(self._read("counters"))

    def get_arp_table(self, vrf: str = "") -> list[dict[str, Any]]:
        """Return the IPv4 neighbours. Raise NotImplementedError for a VRF."""
        if vrf:
            raise NotImplementedError("the linux platform has no VRFs")
        return getters.arp_table(self._read("neighbours"))

    def get_lldp_neighbors(self) -> dict[str, list[dict[str, Any]]]:
        """Return the LLDP neighbours by port."""
        return getters.lldp_neighbors(self._read("lldp"))

    def get_lldp_neighbors_detail(self, interface: str = "") -> dict[str, list[dict[str, Any]]]:
        """Return all that the LLDP neighbours say, of one port if it is named."""
        found = getters.lldp_neighbors_detail(self._read("lldp"))
        return {port: rows for port, rows in found.items() if interface in {"", port}}

    def get_bgp_neighbors(self) -> dict[str, dict[str, Any]]:
        """Return the BGP peers by VRF; none where BGP does not run."""
        return getters.bgp_neighbors(self._read("show bgp vrf all neighbors json"))

    def get_route_to(
        self, destination: str = "", protocol: str = "", longer: bool = False
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the routes to a prefix, with ``longer`` to all within it as well, of one protocol if it is named."""
        command = " ".join(filter(None, ["show ip route", destination, "longer-prefixes" if longer else "", "json"]))
        return getters.routes(self._read(command), protocol)

    def ping(  # noqa: PLR0913, PLR0917 - NAPALM's signature
        self,
        destination: str,
        source: str = c.PING_SOURCE,
        ttl: int = c.PING_TTL,
        timeout: int = c.PING_TIMEOUT,
        size: int = c.PING_SIZE,
        count: int = c.PING_COUNT,
        vrf: str = c.PING_VRF,
        source_interface: str = c.PING_SOURCE_INTERFACE,
    ) -> dict[str, Any]:
        """Send echo requests from the device; times in ms."""
        options = {"ttl": ttl, "timeout": timeout, "size": size, "count": count, "vrf": vrf}
        ran = self._ask("ping", destination=destination, source=source or source_interface, **options)
        return getters.ping(ran["output"], ran["words"], count)

    def cli(self, commands: list[str], encoding: str = "text") -> dict[str, str]:
        """Return what each command prints: FRR for ``show …``, else the account's own shell, without privileges.

        Raise NotImplementedError for any encoding but text: FRR's JSON is ``show … json``.
        """
        if encoding != "text":
            raise NotImplementedError(f"encoding {encoding!r}; known: text")
        return {
            command: self._read(command) if command.startswith("show ") else self._run(command) for command in commands
        }

    def _run(self, command: str) -> str:
        return self._session.run(command)

    def _read(self, query: str) -> str:
        return str(self.verbs.read([query])[query])

    def _ask(self, verb: str, **arguments: object) -> Mapping[str, Any]:
        try:
            return self._session.ask(verb, **arguments)
        except Refusal as refusal:
            raise ERRORS.get(refusal.kind, self._refused)(refusal.words) from None


def _text(filename: str | None, config: str | None) -> str:
    """Return the text of a file, or the text itself; NAPALM lets the file take precedence."""
    return Path(filename).read_text(encoding="utf-8") if filename else config or ""


def _sanitize(text: str) -> str:
    for pattern in (*platforms.platform(LinuxDriver.platform).secret_patterns, *_SECRETS):
        text = pattern.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    start, end = (place - match.start() for place in match.span(1))
    return f"{match[0][:start]}{MASK}{match[0][end:]}"
