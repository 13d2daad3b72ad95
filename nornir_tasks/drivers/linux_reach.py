"""What a linux device's text says about reaching it: its files in the forms of ``reach``. Pure.

Sources of what is the default where nothing is said: interfaces(5) of ifupdown2, FRR's ospfd (hello 10 s, dead 40 s,
RFC 2328 C.3), sshd_config(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from nornir_tasks.drivers.linux_device import FormatError, frr_lines, parse
from nornir_tasks.drivers.nft import ruleset
from nornir_tasks.reach import Filter, Open, Ospf, Port, Reach, Ssh

HELLO, DEAD = 10, 40
_Line = tuple[str, ...]


def read(text: str) -> Reach | None:
    """Return the facts of a device's text, or None if it is not a set of files as a linux device has them."""
    try:
        files = {file.path: file.content for file in parse(text)} if text.startswith("#: file ") else {}
    except FormatError:
        return None
    if not files:
        return None
    lines = frr_lines(files.get("/etc/frr/frr.conf", ""))
    return Reach(
        ports=_with_ospf(_ports(files.get("/etc/network/interfaces", "")), _Frr.of(lines)),
        routes=frozenset(_routes(lines)),
        redistributes=_redistributes(lines),
        ssh=_ssh(files),
        filter=_filter(files),
    )


# ---- addresses -------------------------------------------------------------------------------------------


def _ports(interfaces: str) -> dict[str, Port]:
    """Given an interfaces file, return the ports that ``ifreload -a`` brings up."""
    automatic: set[str] = set()
    found: dict[str, dict[str, list[str]]] = {}
    options: dict[str, list[str]] = {}
    for line in interfaces.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in {"auto", "allow-auto"}:
            automatic |= set(words[1:])
            options = {}
        elif words[0] == "iface" and len(words) > 1:
            options = found.setdefault(words[1], {})
        else:
            options.setdefault(words[0], []).append(" ".join(words[1:]))
    return {name: _port(options) for name, options in found.items() if _is_up(name, automatic, options)}


def _is_up(name: str, automatic: set[str], options: Mapping[str, list[str]]) -> bool:
    return name in automatic and options.get("link-down", ["no"])[-1] not in {"yes", "on", "1"}


def _port(options: Mapping[str, list[str]]) -> Port:
    masks = iter(options.get("netmask", ()))
    written = [text if "/" in text else f"{text}/{next(masks, '32')}" for text in options.get("address", ())]
    addresses = tuple(one for text in written if (one := _interface(text)))
    mtu = options.get("mtu", ["1500"])[-1]
    return Port(addresses, _number(mtu))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _interface(text: str) -> IPv4Interface | None:
    try:
        return IPv4Interface(text)
    except ValueError:
        return None


# ---- OSPF ------------------------------------------------------------------------------------------------


@dataclass
class _Frr:
    """What FRR's file says about OSPF: lines by interface and of the process itself."""

    running: bool = False
    interfaces: dict[str, list[_Line]] = field(default_factory=dict)
    process: list[_Line] = field(default_factory=list)

    @classmethod
    def of(cls, lines: Iterable[_Line]) -> _Frr:
        found = cls()
        for path in lines:
            words = tuple(path[-1].split())
            if path[0] == "router ospf":
                found.running = True
                found.process += [words] if len(path) > 1 else []
            elif path[0].startswith("interface ") and len(path) > 1:
                found.interfaces.setdefault(path[0].split()[1], []).append(words)
        return found

    def passive(self, port: str) -> bool:
        """Return whether OSPF speaks to nobody on a port."""
        said = {words[1] for words in self.process if words[0] == "passive-interface" and len(words) > 1}
        active = ("no", "passive-interface", port) in self.process
        return port in said or ("default" in said and not active) or ("ip", "ospf", "passive") in self._of(port)

    def area(self, port: str, addresses: Iterable[IPv4Interface]) -> str:
        """Return the area of a port, empty if OSPF does not know it."""
        if not self.running or ("shutdown",) in self._of(port):
            return ""
        for words in self._of(port):
            if words[:3] == ("ip", "ospf", "area") and len(words) > 3:
                return _area(words[3])
        for words in self.process:
            if words[0] == "network" and words[2:3] == ("area",):
                prefix = _interface(words[1])
                if prefix and any(address.ip in prefix.network for address in addresses):
                    return _area(words[3])
        return ""

    def parameters(self, port: str, area: str) -> Ospf:
        """Return what the other end of a line must agree on."""
        found = Ospf(area, HELLO, DEAD, point_to_point=False, authentication=self._authentication(area))
        keys: dict[int, str] = {}
        for words in self._of(port):
            if words[:2] != ("ip", "ospf") or len(words) < 3:
                continue
            match words[2:]:
                case "hello-interval", number:
                    found = replace(found, hello=_number(number))
                case "dead-interval", number:
                    found = replace(found, dead=_number(number))
                case "network", kind:
                    found = replace(found, point_to_point=kind == "point-to-point")
                case "authentication", *kind:
                    found = replace(found, authentication=kind[0] if kind else "simple")
                case "authentication-key", key:
                    keys[0] = key
                case "message-digest-key", number, "md5", key:
                    keys[_number(number)] = key
        return replace(found, keys=tuple(keys.items()))

    def _authentication(self, area: str) -> str:
        for words in self.process:
            if words[0] == "area" and words[2:3] == ("authentication",) and _area(words[1]) == area:
                return words[3] if len(words) > 3 else "simple"
        return ""

    def _of(self, port: str) -> list[_Line]:
        return self.interfaces.get(port, [])


def _area(text: str) -> str:
    """Return an area as a number, whichever way it is written."""
    dotted = _interface(text)
    return str(int(dotted.ip)) if dotted and "." in text else text


def _with_ospf(ports: Mapping[str, Port], frr: _Frr) -> dict[str, Port]:
    found = {}
    for name, port in ports.items():
        if ("shutdown",) in frr.interfaces.get(name, []):
            continue
        area = frr.area(name, port.addresses)
        speaks = bool(area) and not frr.passive(name) and name != "lo"
        found[name] = replace(port, told=bool(area), ospf=frr.parameters(name, area) if speaks else None)
    return found


# ---- routes, login, filter -------------------------------------------------------------------------------


def _routes(lines: Iterable[_Line]) -> Iterator[tuple[IPv4Network, IPv4Address]]:
    for path in lines:
        words = path[-1].split()
        if len(path) == 1 and words[:2] == ["ip", "route"] and len(words) > 3:
            prefix, via = _interface(words[2]), _interface(words[3])
            if prefix and via:
                yield prefix.network, via.ip


def _redistributes(lines: Iterable[_Line]) -> bool:
    """Return whether OSPF tells of static routes; a route-map that is not there, or permits nothing, tells of none."""
    lines = tuple(lines)
    permits = {words[1] for path in lines if (words := path[0].split())[:1] == ["route-map"] and "permit" in words}
    for path in lines:
        words = path[-1].split()
        if path[0] == "router ospf" and words[:2] == ["redistribute", "static"]:
            return "route-map" not in words or words[-1] in permits
    return False


def _ssh(files: Mapping[str, str]) -> Ssh | None:
    if "/etc/ssh/sshd_config" not in files:
        return None
    said: dict[str, list[str]] = {}
    for line in files["/etc/ssh/sshd_config"].splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            said.setdefault(words[0].lower(), []).extend(words[1:])
    listen = frozenset(one.ip for text in said.get("listenaddress", ()) if (one := _interface(text)))
    keys = [files[path] for path in said.get("authorizedkeysfile", ()) if path in files]
    return Ssh(
        port=_number(said.get("port", ["22"])[0]),
        listen=listen if said.get("listenaddress") else None,
        accounts=frozenset(said["allowusers"]) if "allowusers" in said else None,
        keys=frozenset(_keys(keys)) if "authorizedkeysfile" in said else None,
    )


def _keys(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for line in text.splitlines():
            words = line.split()
            if len(words) > 1 and not line.startswith("#"):
                yield " ".join(words[:2])


def _filter(files: Mapping[str, str]) -> Filter:
    text = files.get("/etc/nftables.conf", "")
    return ruleset(text) if text.strip() else Open()
