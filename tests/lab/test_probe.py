import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest

from lab import netns
from lab.listen import Endpoint
from lab.probe import Flow, echo_request, reached
from netdr.kernel.errors import Problems


def test_an_echo_request_has_the_checksum_of_rfc_1071() -> None:
    # By hand: 0800 + 1234 + 0007 = 1a3b, whose complement is e5c4.
    assert echo_request(0x1234, 7).hex() == "0800e5c412340007"


def test_the_checksum_carries_around() -> None:
    # By hand: 0800 + ffff + ffff = 207fe; 07fe + 2 = 0800; the complement is f7ff.
    assert echo_request(0xFFFF, 0xFFFF).hex() == "0800f7ffffffffff"


def ip(*argv: str) -> None:
    subprocess.run(("ip", *argv), check=True, timeout=10, capture_output=True)


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable: the first has 192.0.2.0/31, the second 192.0.2.1 and filters."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    here, there = (f"prb{uuid.uuid4().hex[:6]}.{end}" for end in "ab")
    try:
        for name in (here, there):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", there, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", here)
        for name, address in ((here, "192.0.2.0/31"), (there, "192.0.2.1/31")):
            ip("-n", name, "address", "add", address, "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        yield here, there
    finally:
        for name in (here, there):
            subprocess.run(("ip", "netns", "del", name), check=False, timeout=10, capture_output=True)


def flows(pair: tuple[str, str], *ports: str) -> list[Flow]:
    here, there = pair
    return [Flow(here, Endpoint(IPv4Address("192.0.2.1"), port, (there,))) for port in ports]


def refuse(namespace: str, rules: str) -> None:
    text = f"table inet refuse {{\nchain in {{\ntype filter hook input priority 0;\n{rules}\n}}\n}}\n"
    nft = ("ip", "netns", "exec", namespace, "nft", "-f", "-")
    subprocess.run(nft, input=text, text=True, check=True, timeout=10)


@pytest.mark.lab
def test_what_nothing_refuses_gets_through(pair: tuple[str, str]) -> None:
    assert reached(flows(pair, "tcp/80", "udp/53", "icmp", "tcp/443"), 2) == (True, True, True, True)


@pytest.mark.lab
@pytest.mark.parametrize(
    "verdict", ["drop", "reject", "reject with icmpx type admin-prohibited"], ids=["drop", "reject", "prohibit"]
)
def test_what_a_filter_refuses_does_not_get_through(pair: tuple[str, str], verdict: str) -> None:
    refuse(pair[1], f"tcp dport 80 {verdict}; udp dport 53 {verdict}; icmp type echo-request {verdict};")
    assert reached(flows(pair, "tcp/80", "tcp/81", "udp/53", "udp/54", "icmp"), 1) == (False, True, False, True, False)


@pytest.mark.lab
def test_a_reset_from_a_filter_is_not_taken_for_an_answer(pair: tuple[str, str]) -> None:
    refuse(pair[1], "tcp dport 80 reject with tcp reset;")
    assert reached(flows(pair, "tcp/80", "tcp/81"), 1) == (False, True)


@pytest.mark.lab
def test_a_source_without_a_route_reaches_nothing(pair: tuple[str, str]) -> None:
    here, there = pair
    ip("-n", there, "address", "add", "198.51.100.1/32", "dev", "lo")
    away = IPv4Address("198.51.100.1")
    tries = [Flow(here, Endpoint(away, port, (there,))) for port in ("tcp/80", "udp/53", "icmp")]
    assert reached(tries, 0.2) == (False, False, False)


@pytest.mark.lab
def test_a_destination_that_nobody_has_is_an_error_not_a_refusal(pair: tuple[str, str]) -> None:
    nowhere = Flow(pair[0], Endpoint(IPv4Address("192.0.2.9"), "tcp/80", (pair[1],)))
    with pytest.raises(Problems, match=r"nothing listens at 192\.0\.2\.9 tcp/80: .*Cannot assign"):
        reached([nowhere], 0.2)


@pytest.mark.lab
def test_a_server_that_has_the_port_is_no_obstacle(pair: tuple[str, str]) -> None:
    def serve(kind: socket.SocketKind, port: int) -> socket.socket:
        netns.enter(pair[1])
        server = socket.socket(socket.AF_INET, kind)
        server.bind(("0.0.0.0", port))  # noqa: S104 - in a namespace without a way out
        if kind is socket.SOCK_STREAM:
            server.listen()
        return server

    with ThreadPoolExecutor(1) as pool:
        web, agent = (
            pool.submit(serve, *what).result() for what in ((socket.SOCK_STREAM, 80), (socket.SOCK_DGRAM, 161))
        )
    with web, agent:
        # The UDP server never answers; that its port is reached shows all the same.
        assert reached(flows(pair, "tcp/80", "udp/161"), 2) == (True, True)
        refuse(pair[1], "udp dport 161 drop;")
        assert reached(flows(pair, "tcp/80", "udp/161"), 0.5) == (True, False)
