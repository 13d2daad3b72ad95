"""How far a run over many devices is: one line per stage, which counts while it lasts on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

import click

from netdr.cli.context import Context
from netdr.kernel.outcome import Outcome

# Stages of the network engine: (English, Chinese)
NAMES = {
    "read": ("reading the devices", "读取设备配置"),
    "holders": ("who holds the devices", "查询设备占用"),
    "lock": ("claiming all", "占用全部设备"),
    "status": ("where the devices stand", "查询设备状态"),
    "prepare": ("preparing all", "全部预检"),
    "arm": ("arming a wave", "分批下发"),
    "gate": ("gate: does the wave answer", "闸口检查"),
    "verify": ("verifying the network", "全网核验"),
    "confirm": ("confirming", "确认生效"),
    "seal": ("reading back", "回读确认"),
    "abort": ("bringing all back", "全部回退"),
}


class Ticker:
    """Progress of the network engine, on standard error. Use it as a context manager, so that its last line ends."""

    def __init__(self, context: Context) -> None:
        self._context, self._live = context, sys.stderr.isatty()
        self._lock = threading.Lock()
        self._start = self._total = 0.0
        self._title = ""
        self._good = set[str]()
        self._bad = set[str]()

    def __enter__(self) -> Self:
        """Return the ticker."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the last line."""
        self.finish()

    def stage(self, name: str, devices: int) -> None:
        """See Progress."""
        self.finish()
        self._title = f"{self._context.text(*NAMES.get(name, (name, name)))}"
        self._good, self._bad = set(), set()
        self._start, self._total = time.monotonic(), devices
        click.echo(f"{self._title} … ", err=True, nl=False)

    def device(self, outcome: Outcome) -> None:
        """See Progress."""
        with self._lock:
            (self._good if outcome.ok else self._bad).add(outcome.device)
            self._bad -= self._good if outcome.ok else set()
            if self._live:
                click.echo(f"\r{self._title} … {self._count()} ", err=True, nl=False)

    def _count(self) -> str:
        failed = self._context.text(f", {len(self._bad)} failed", f"，{len(self._bad)} 台失败") if self._bad else ""
        return f"{len(self._good)}/{self._total:.0f}{failed}"

    def finish(self) -> None:
        """End the line of the stage, so that something else can be printed."""
        if self._title:
            start = "\r" + self._title + " … " if self._live else ""
            click.echo(f"{start}{self._count()}  {time.monotonic() - self._start:.1f} s", err=True)
            self._title = ""
