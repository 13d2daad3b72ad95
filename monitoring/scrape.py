"""One scrape: from a request to the text that answers it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitoring.decode import Family, Sample, decode
from monitoring.module import Module
from monitoring.render import render
from monitoring.snmp import Agent, OpenAgent, SnmpError, User
from monitoring.targets import Target
from monitoring.telemetry import Telemetry
from netdr.kernel.errors import UsageError, unknown


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a target by device id or address, some modules, one user, within ``timeout_s`` seconds."""

    target: str
    modules: tuple[str, ...]
    auth: str
    timeout_s: float


class Scraper:
    """Answers scrapes of the inventory's devices, one at a time for each device."""

    def __init__(
        self,
        targets: Sequence[Target],
        modules: Mapping[str, Module],
        users: Mapping[str, User],
        open_agent: OpenAgent,
        telemetry: Telemetry,
    ) -> None:
        self._targets = {name: target for target in targets for name in (target.device, target.address)}
        self._known = sorted(target.device for target in targets)
        self._modules, self._users = modules, users
        self._open, self._telemetry = open_agent, telemetry
        self._agents: dict[tuple[str, str], Agent] = {}
        self._flights = {target.device: asyncio.Lock() for target in targets}

    async def scrape(self, request: Request) -> str:
        """Return the metrics of a request. Raise UsageError for what is unknown, SnmpError for what failed."""
        target = self._check(request)
        done: list[_Asked] = []
        with self._telemetry.scrape(target.device):
            try:
                async with asyncio.timeout(request.timeout_s), self._flights[target.device]:
                    return render(await self._ask(target, request, done))
            except TimeoutError:
                had = ", ".join(f"{each.module} after {each.whole_s:.1f} s" for each in done) or "nothing"
                why = f"no complete answer within {request.timeout_s:.1f} s, only {had}"
                raise SnmpError("no-answer", where=target.address, why=why) from None

    def _check(self, request: Request) -> Target:
        for noun, names, known in (("module", request.modules, self._modules), ("auth", (request.auth,), self._users)):
            for name in names:
                if name not in known:
                    raise UsageError(unknown(noun, name, known))
        if request.target not in self._targets:
            raise UsageError(unknown("target", request.target, self._known))
        return self._targets[request.target]

    async def _ask(self, target: Target, request: Request, done: list[_Asked]) -> list[Family]:
        """Return the metrics of a request; ``done`` gets each module as it is answered."""
        agent = self._agent(target, request.auth)
        families: list[Family] = []
        for name in dict.fromkeys(request.modules):
            start = time.monotonic()
            module = self._modules[name]
            varbinds = [*(await agent.get(module.get) if module.get else ())]
            varbinds += await agent.walk(module.walk, module.max_repetitions) if module.walk else ()
            walked = time.monotonic()
            families += decode(module, varbinds)
            done.append(_Asked(name, len(varbinds), walked - start, time.monotonic() - start))
            self._telemetry.collected(name, done[-1].whole_s)
        return [*families, *_account(done)]

    def _agent(self, target: Target, auth: str) -> Agent:
        key = (target.address, auth)
        if key not in self._agents:
            self._agents[key] = self._open(target.address, self._users[auth])
        return self._agents[key]


@dataclass(frozen=True, slots=True)
class _Asked:
    module: str
    values: int
    walk_s: float
    whole_s: float


def _account(asked: Sequence[_Asked]) -> Iterator[Family]:
    """Yield what each module's answer took, under snmp_exporter's names."""

    def family(name: str, text: str, values: Sequence[float]) -> Family:
        samples = [Sample((("module", each.module),), value) for each, value in zip(asked, values, strict=True)]
        return Family(name, "gauge", text, samples)

    yield family("snmp_scrape_pdus_returned", "Values the agent returned", [each.values for each in asked])
    yield family("snmp_scrape_walk_duration_seconds", "Time the agent took", [each.walk_s for each in asked])
    yield family("snmp_scrape_duration_seconds", "Time of the whole answer", [each.whole_s for each in asked])
