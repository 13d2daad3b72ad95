from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from inventory.network import Network
from monitoring.module import shipped
from monitoring.scrape import Request, Scraper
from monitoring.snmp import Agent, Oid, SnmpError, User, Value, VarBind, parse_oid
from monitoring.targets import targets
from monitoring.telemetry import Telemetry
from monitoring.testing import FakeAgent
from netdr.kernel.errors import UsageError

UPTIME = parse_oid("1.3.6.1.2.1.1.3.0")
OPER = parse_oid("1.3.6.1.2.1.2.2.1.8")


class Fleet:
    """Opens one agent for every address and remembers who was asked for."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.opened: list[tuple[str, str]] = []

    def __call__(self, address: str, user: User) -> Agent:
        self.opened.append((address, user.name))
        return self.agent


def scraper(network: Network, user: User, fleet: Fleet, telemetry: Telemetry | None = None) -> Scraper:
    return Scraper(targets(network), shipped(), {user.name: user}, fleet, telemetry or Telemetry())


def request(target: str, *modules: str, timeout_s: float = 5.0, auth: str = "watcher") -> Request:
    return Request(target, modules or ("system",), auth, timeout_s)


def test_a_device_is_found_by_its_name_and_by_its_address(network: Network, user: User) -> None:
    fleet = Fleet(FakeAgent({UPTIME: 4200}))
    made = scraper(network, user, fleet)
    for target in ("hub", "192.168.251.1"):
        assert "sysUpTime 4200\n" in asyncio.run(made.scrape(request(target)))
    assert fleet.opened == [("192.168.251.1", "watcher")]


def test_several_modules_are_one_answer_that_says_what_each_took(network: Network, user: User) -> None:
    fleet = Fleet(FakeAgent({UPTIME: 4200, (*OPER, 7): 1}))
    text = asyncio.run(scraper(network, user, fleet).scrape(request("hub", "system", "if_mib")))
    assert "sysUpTime 4200\n" in text
    assert 'ifOperStatus{ifIndex="7",ifName="",ifAlias="",ifDescr=""} 1\n' in text
    assert 'snmp_scrape_pdus_returned{module="system"} 1\n' in text
    assert 'snmp_scrape_pdus_returned{module="if_mib"} 1\n' in text


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (request("nowhere"), r"unknown target 'nowhere'; known: acc-archive, .*, hub, "),
        (request("203.0.113.9"), r"unknown target '203\.0\.113\.9'"),
        (request("warden"), r"unknown target 'warden'"),
        (request("hub", "if_bim"), r"unknown module 'if_bim'; known: bgp, if_mib, ospf, system"),
        (request("hub", auth="public"), r"unknown auth 'public'; known: watcher"),
    ],
)
def test_what_the_inventory_does_not_know_is_never_asked(
    network: Network, user: User, asked: Request, text: str
) -> None:
    fleet = Fleet(FakeAgent({}))
    with pytest.raises(UsageError, match=text):
        asyncio.run(scraper(network, user, fleet).scrape(asked))
    assert fleet.opened == []


class Slow(FakeAgent):
    """Answers when told to; counts how many ask at the same time."""

    def __init__(self) -> None:
        super().__init__({})
        self.go = asyncio.Event()
        self.now = self.most = 0

    async def get(self, oids: Sequence[Oid]) -> Sequence[VarBind]:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go.wait()
        self.now -= 1
        return await super().get(oids)


def test_a_device_is_asked_by_one_scrape_at_a_time(network: Network, user: User) -> None:
    async def three() -> Slow:
        slow = Slow()
        made = scraper(network, user, Fleet(slow))
        running = [asyncio.create_task(made.scrape(request("hub"))) for _ in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        slow.go.set()
        await asyncio.gather(*running)
        return slow

    slow = asyncio.run(three())
    assert slow.requests == 3
    assert slow.most == 1


def test_one_silent_device_does_not_hold_up_another(network: Network, user: User) -> None:
    async def both() -> str:
        slow, quick = Slow(), FakeAgent({UPTIME: 1})
        made = scraper(network, user, Fleet(slow))
        made._open = lambda address, _user: slow if address == "192.168.251.1" else quick
        waiting = asyncio.create_task(made.scrape(request("hub")))
        text = await made.scrape(request("ring-n"))
        slow.go.set()
        await waiting
        return text

    assert "sysUpTime 1\n" in asyncio.run(both())


def test_a_scrape_ends_when_its_time_is_over(network: Network, user: User) -> None:
    async def never() -> str:
        return await scraper(network, user, Fleet(Slow())).scrape(request("hub", timeout_s=0.01))

    with pytest.raises(SnmpError, match=r"192\.168\.251\.1: no answer: no complete answer within 0\.0 s, only nothing"):
        asyncio.run(never())


def test_why_a_device_fails_is_a_metric_until_it_answers(network: Network, user: User) -> None:
    telemetry = Telemetry()
    answers: dict[Oid, Value] = {UPTIME: 1}
    fleet = Fleet(FakeAgent(answers, SnmpError("wrong-auth-key", where="192.168.251.1")))
    made = scraper(network, user, fleet, telemetry)
    with pytest.raises(SnmpError):
        asyncio.run(made.scrape(request("hub")))
    failing = 'snmp_target_failure{cause="wrong-auth-key",device="hub"} 1.0'
    assert failing in telemetry.text().decode()
    made._agents[("192.168.251.1", "watcher")] = FakeAgent(answers)
    asyncio.run(made.scrape(request("hub")))
    assert "snmp_target_failure{" not in telemetry.text().decode()
