"""One change of the whole district by the real engine, which stops once in a given stage until it is told to go on.

Runs on a controller. The order is the argument, in JSON: ``stage``, ``wave_of`` (a device: one of its wave must be done
with the stage; none: any), ``timers``, ``checks``, ``answer_s``. Says JSON, one object per line: ``struck`` (our
process id) when it stops, ``report`` or ``failed`` at its end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from netdr.cli.config import engine_of
from netdr.cli.context import Context, from_environment
from netdr.kernel.errors import NetdrError
from netdr.kernel.outcome import Outcome
from nornir_tasks import runners
from nornir_tasks.connect import open_device
from nornir_tasks.engine import Engine
from nornir_tasks.fleet import Fleet
from nornir_tasks.plan import Plan, Timers
from nornir_tasks.steps import Options


class Ambush:
    """Progress that stops the change when the first of some devices is done with a stage."""

    def __init__(self, order: Mapping[str, Any], plan: Plan) -> None:
        self._wanted = str(order["stage"])
        self._among = frozenset(device for wave in plan.waves if order["wave_of"] in wave for device in wave)
        self._lock = threading.Lock()
        self._stage, self._over = "", False

    def stage(self, name: str, devices: int) -> None:
        """See Progress."""
        del devices
        self._stage = name

    def device(self, outcome: Outcome) -> None:
        """See Progress. The stage cannot end before this returns."""
        with self._lock:
            here = self._stage == self._wanted
            if self._over or not here or (self._among and outcome.device not in self._among):
                return
            self._over = True
        _say({"struck": os.getpid()})
        sys.stdin.readline()


@contextmanager
def engine(context: Context, answer_s: float) -> Iterator[Engine]:
    """Yield the engine as ``netdr deploy`` has it, on devices that have ``answer_s`` seconds for an answer."""
    connect = partial(open_device, timeout=answer_s)
    with (
        engine_of(context, runners.DEFAULT) as devices,
        Fleet(context.network, context.state, connect, devices.redact) as fleet,
    ):
        yield replace(devices, fleet=fleet)


def main(order: Mapping[str, Any]) -> None:
    """Make the change."""
    try:
        with engine(from_environment(os.environ), order["answer_s"]) as devices:
            plan = devices.plan_change()
            plan = replace(plan, timers=Timers(**order["timers"]), checks=tuple(order["checks"]))
            report = devices.deploy(plan, Options(ticket="bench faults", progress=Ambush(order, plan)))
        _say({"report": report.as_dict()})
    except NetdrError as error:
        _say({"failed": error.report()})


def _say(value: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
