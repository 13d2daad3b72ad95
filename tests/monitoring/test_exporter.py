from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from inventory.network import Network
from monitoring.exporter import Exporter, parse_request
from monitoring.module import shipped
from monitoring.scrape import Request, Scraper
from monitoring.snmp import SnmpError, User, parse_oid
from monitoring.targets import targets
from monitoring.telemetry import Telemetry
from monitoring.testing import FakeAgent
from netdr.kernel.errors import MonitorError, UnreachableError, UsageError

UPTIME = parse_oid("1.3.6.1.2.1.1.3.0")


def backups(host: str, seconds: float) -> str:
    if host == "nobody":
        raise UsageError("unknown host with backups 'nobody'; known: store")
    if host == "store-b":
        raise UnreachableError("the host does not answer ssh", where=host)
    return f"netdr_backup_held 0\n# {seconds}\n"


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def ask(network: Network, user: User, agent: FakeAgent, *paths: str) -> list[tuple[int, str]]:
    """Serve on a free loopback port, fetch some paths, stop."""

    async def run() -> list[tuple[int, str]]:
        telemetry, stop = Telemetry(), asyncio.Event()
        scraper = Scraper(targets(network), shipped(), {user.name: user}, lambda _address, _user: agent, telemetry)
        server = Exporter(("127.0.0.1", 0), scraper, telemetry, user.name, backups)
        serving = asyncio.create_task(server.serve(stop))
        port = int(server.server_address[1])
        got = [await asyncio.to_thread(fetch, port, path) for path in paths]
        stop.set()
        await serving
        return got

    return asyncio.run(run())


def test_serves_scrapes_health_and_itself(network: Network, user: User) -> None:
    paths = ("/snmp?target=hub&module=system&auth=watcher", "/-/healthy", "/metrics", "/elsewhere")
    scrape, health, itself, elsewhere = ask(network, user, FakeAgent({UPTIME: 77}), *paths)
    assert scrape[0] == 200
    assert "sysUpTime 77\n" in scrape[1]
    assert health == (200, "Healthy\n")
    assert 'snmp_collection_duration_seconds_count{module="system"} 1.0' in itself[1]
    assert "process_cpu_seconds_total" in itself[1]
    assert elsewhere == (404, "known paths: /snmp, /backup, /metrics, /-/healthy\n")


def test_what_is_unknown_is_400_and_counted(network: Network, user: User) -> None:
    paths = ("/snmp?target=core-9", "/snmp", "/snmp?target=hub&module=nope", "/metrics")
    *refused, itself = ask(network, user, FakeAgent({}), *paths)
    assert [status for status, _ in refused] == [400, 400, 400]
    assert refused[0][1].startswith("unknown target 'core-9'; known: acc-archive, ")
    assert "snmp_request_errors_total 3.0" in itself[1]


def test_a_failure_is_500_with_its_cause_and_the_next_step(network: Network, user: User) -> None:
    failing = FakeAgent({}, SnmpError("unknown-user", where="192.168.251.1"))
    ((status, body),) = ask(network, user, failing, "/snmp?target=hub&module=system")
    assert status == 500
    assert body.startswith("An error has occurred while serving metrics:\n\nsnmp_error 192.168.251.1: unknown user")
    assert "hint: the device has no such SNMPv3 user" in body


def test_a_port_in_use_is_told(network: Network, user: User) -> None:
    async def run() -> None:
        telemetry = Telemetry()
        scraper = Scraper(targets(network), shipped(), {user.name: user}, lambda _a, _u: FakeAgent({}), telemetry)
        first = Exporter(("127.0.0.1", 0), scraper, telemetry, user.name, backups)
        try:
            Exporter(("127.0.0.1", int(first.server_address[1])), scraper, telemetry, user.name, backups)
        finally:
            first.server_close()

    with pytest.raises(MonitorError, match=r"127\.0\.0\.1:\d+: cannot listen: .*in use"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("query", "timeout", "expected"),
    [
        ("target=hub", None, Request("hub", ("if_mib",), "watcher", 9.75)),
        ("target=hub&module=a,b&module=c&auth=x", "5", Request("hub", ("a", "b", "c"), "x", 4.75)),
        ("target=hub&module=a", "0.1", Request("hub", ("a",), "watcher", 0.25)),
    ],
)
def test_reads_requests_as_snmp_exporter_does(query: str, timeout: str | None, expected: Request) -> None:
    assert parse_request(query, timeout, "watcher") == expected


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: parse_request("", None, "watcher"), "'target' has to be given once"),
        (lambda: parse_request("target=a&target=b", None, "watcher"), "'target' has to be given once"),
        (lambda: parse_request("target=a&auth=x&auth=y", None, "watcher"), "'auth' may be given once"),
        (lambda: parse_request("target=a", "soon", "watcher"), "not a number of seconds: 'soon'"),
    ],
)
def test_refuses_requests_that_are_none(call: Callable[[], Request], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        call()


def test_what_a_host_says_of_its_backups_is_handed_on(network: Network, user: User) -> None:
    paths = ("/backup?target=store", "/backup?target=nobody", "/backup?target=store-b", "/backup", "/metrics")
    good, unknown, silent, nameless, itself = ask(network, user, FakeAgent({}), *paths)
    # Prometheus waits 10 s if it does not say how long; the answer is there a quarter of a second before.
    assert good == (200, "netdr_backup_held 0\n# 9.75\n")
    assert unknown == (400, "unknown host with backups 'nobody'; known: store\n")
    assert silent == (500, "store-b: the host does not answer ssh\n")
    assert nameless[0] == 400
    assert "snmp_request_errors_total 2.0" in itself[1]
