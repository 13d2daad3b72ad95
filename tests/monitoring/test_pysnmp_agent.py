"""Against a real Net-SNMP agent in a private network namespace; expected values come from net-snmp's own client."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from monitoring.module import shipped
from monitoring.pysnmp_agent import Engines, Limits
from monitoring.snmp import Cause, Oid, SnmpError, User, VarBind, dotted, parse_oid
from netdr.kernel.secret import Secret

if TYPE_CHECKING:
    from conftest import Namespace, Snmpd

pytestmark = pytest.mark.tools

UPTIME = parse_oid("1.3.6.1.2.1.1.3.0")
IF_MIB = shipped()["if_mib"].walk
# ifInDiscards … ifHCOutOctets: what the agent itself sends and receives over lo counts there.
COUNTERS = ("1.3.6.1.2.1.2.2.1.13", "1.3.6.1.2.1.2.2.1.14", "1.3.6.1.2.1.31.1.1.1.6", "1.3.6.1.2.1.31.1.1.1.10")


async def read(user: User, *roots: Oid, repetitions: int = 25, times: int = 1) -> list[VarBind]:
    engines = Engines()
    agent = engines.open("127.0.0.1", user)
    try:
        for _ in range(times):
            found = await agent.walk(roots, repetitions)
    finally:
        engines.close()
    return list(found)


def plain(varbind: VarBind) -> str:
    return varbind.value.decode() if isinstance(varbind.value, bytes) else str(varbind.value)


@pytest.mark.parametrize("repetitions", [1, 25, 200])
def test_a_walk_finds_what_net_snmps_own_client_finds(snmpd: Snmpd, user: User, repetitions: int) -> None:
    before = {oid: text for root in IF_MIB for oid, text in snmpd.walk(dotted(root)).items()}
    found = snmpd.namespace.call(lambda: read(user, *IF_MIB, repetitions=repetitions, times=3))
    after = {oid: text for root in IF_MIB for oid, text in snmpd.walk(dotted(root)).items()}
    ours = {dotted(varbind.oid): plain(varbind) for varbind in found}
    assert len(ours) == len(found) == len(IF_MIB) * 9  # lo, four ports and their far ends
    assert set(ours) == set(before)
    for oid, text in ours.items():
        if oid.startswith(COUNTERS):
            assert int(before[oid]) <= int(text) <= int(after[oid]), oid
        else:
            assert text == before[oid] == after[oid], oid


def test_a_port_that_goes_down_is_seen(snmpd: Snmpd, user: User) -> None:
    async def states() -> dict[int, object]:
        found = await read(user, parse_oid("1.3.6.1.2.1.2.2.1.8"))
        return {varbind.oid[-1]: varbind.value for varbind in found}

    names = {text: int(oid.rsplit(".", 1)[1]) for oid, text in snmpd.walk("1.3.6.1.2.1.31.1.1.1.1").items()}
    # RFC 2863: 1 up, 2 down, 7 lowerLayerDown. net-snmp reads the ports again every 3 s.
    assert snmpd.namespace.call(states)[names["p1"]] == 1
    snmpd.namespace.run("ip", "link", "set", "far0", "down")
    end = time.monotonic() + 10
    while (now := snmpd.namespace.call(states))[names["p1"]] == 1 and time.monotonic() < end:
        time.sleep(0.5)
    assert now[names["p1"]] in {2, 7}
    assert now[names["p2"]] == 1


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"name": "stranger"}, "unknown-user"),
        ({"auth_secret": Secret("another-secret")}, "wrong-auth-key"),
        ({"auth_protocol": "SHA256"}, "wrong-auth-key"),
        # net-snmp does not answer what it decrypts to nonsense.
        ({"priv_secret": Secret("another-secret")}, "no-answer"),
    ],
)
def test_the_cause_of_a_failure_is_named(snmpd: Snmpd, user: User, change: dict[str, Any], cause: Cause) -> None:
    with pytest.raises(SnmpError) as raised:
        snmpd.namespace.call(lambda: read(dataclasses.replace(user, **change), (1, 3, 6, 1, 2, 1, 1)))
    assert raised.value.cause == cause
    assert "another-secret" not in raised.value.report()


def test_silence_ends_within_the_limits(namespace: Namespace, user: User) -> None:
    async def ask() -> float:
        engines = Engines(Limits(timeout_s=0.5, retries=1))
        start = time.monotonic()
        try:
            with pytest.raises(SnmpError, match="no answer"):
                await engines.open("127.0.0.9", user).get([UPTIME])
        finally:
            engines.close()
        return time.monotonic() - start

    # Two tries of half a second each; the upper bound only says that it ends.
    assert 0.9 < namespace.call(ask) < 10


async def uptimes_around_a_restart(snmpd: Snmpd, user: User, persistent: str) -> tuple[list[int], list[Cause]]:
    """Ask once, restart the agent, ask three times; return the uptimes and the causes of failures."""
    engines = Engines(Limits(timeout_s=0.3, retries=0))
    agent = engines.open("127.0.0.1", user)
    uptimes: list[int] = []
    causes: list[Cause] = []
    try:
        for turn in range(4):
            if turn == 1:
                await asyncio.sleep(1.2)
                await asyncio.to_thread(snmpd.stop)
                await asyncio.to_thread(snmpd.start, persistent)
            try:
                (found,) = await agent.get([UPTIME])
            except SnmpError as failure:
                causes.append(failure.cause)
            else:
                assert isinstance(found.value, int)
                uptimes.append(found.value)
    finally:
        engines.close()
    return uptimes, causes


def test_an_agent_that_keeps_its_engine_id_is_understood_after_a_restart_at_once(snmpd: Snmpd, user: User) -> None:
    before = snmpd.walk("1.3.6.1.6.3.10.2.1")
    uptimes, causes = snmpd.namespace.call(lambda: uptimes_around_a_restart(snmpd, user, "persistent"))
    after = snmpd.walk("1.3.6.1.6.3.10.2.1")
    # snmpEngineID and snmpEngineBoots (RFC 3411): the restart is one.
    assert after["1.3.6.1.6.3.10.2.1.1.0"] == before["1.3.6.1.6.3.10.2.1.1.0"]
    assert int(after["1.3.6.1.6.3.10.2.1.2.0"]) == int(before["1.3.6.1.6.3.10.2.1.2.0"]) + 1
    assert (len(uptimes), causes) == (4, [])
    assert uptimes[1] < uptimes[0] + 110


def test_an_agent_that_lost_its_engine_id_costs_one_failure(snmpd: Snmpd, user: User) -> None:
    uptimes, causes = snmpd.namespace.call(lambda: uptimes_around_a_restart(snmpd, user, "fresh"))
    assert (len(uptimes), causes) == (3, ["no-answer"])
    assert uptimes[1] < uptimes[0] + 110


def test_an_agent_that_lost_its_boots_and_kept_its_engine_id_is_understood_at_once(
    namespace: Namespace, tmp_path: Path, user: User, start_snmpd: type[Snmpd]
) -> None:
    # A device that got a new disk: its configuration gives it the same engine ID, its boots begin at 1 again.
    snmpd = start_snmpd(namespace, tmp_path, user, ("p1",), "exactEngineID 0x80001f8801c0a8fb04\n")
    for _ in range(2):
        snmpd.stop()
        snmpd.start()
    assert int(snmpd.walk("1.3.6.1.6.3.10.2.1.2")["1.3.6.1.6.3.10.2.1.2.0"]) == 3
    uptimes, causes = namespace.call(lambda: uptimes_around_a_restart(snmpd, user, "fresh"))
    assert snmpd.walk("1.3.6.1.6.3.10.2.1")["1.3.6.1.6.3.10.2.1.2.0"] == "1"
    assert (len(uptimes), causes) == (4, [])


def test_silence_that_the_scrape_did_not_wait_for_counts_as_well(snmpd: Snmpd, user: User) -> None:
    async def impatient() -> list[VarBind]:
        engines = Engines(Limits(timeout_s=5, retries=0))
        agent = engines.open("127.0.0.1", user)
        try:
            await agent.get([UPTIME])
            await asyncio.to_thread(snmpd.stop)
            await asyncio.to_thread(snmpd.start, "fresh")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await agent.get([UPTIME])
            async with asyncio.timeout(5):
                return list(await agent.get([UPTIME]))
        finally:
            engines.close()

    assert len(snmpd.namespace.call(impatient)) == 1


@pytest.mark.parametrize("protocol", ["SHA", "SHA224", "SHA256", "SHA384", "SHA512"])
def test_every_authentication_protocol_of_the_inventory_works(
    namespace: Namespace, tmp_path: Path, user: User, protocol: Literal["SHA", "SHA256"], start_snmpd: Snmpd
) -> None:
    asked = dataclasses.replace(user, auth_protocol=protocol)
    start_snmpd(namespace, tmp_path, asked, ("p1",))
    (found,) = namespace.call(lambda: read(asked, (1, 3, 6, 1, 2, 1, 1, 5)))
    assert found == VarBind(parse_oid("1.3.6.1.2.1.1.5.0"), b"bench")
