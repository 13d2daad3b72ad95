"""A host's schedule as systemd units (systemd.service(5), systemd.timer(5)): texts only."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from backup.schedule import Job

_HOUR, _DAY = 3600, 86400
_SERVICE = """\
# Made by netdr from the inventory.
[Unit]
Description=netdr backup {verb} {asset}
After=network-online.target time-sync.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart={command}
TimeoutStartSec={limit}
# Users come first.
Nice=10
IOSchedulingClass=idle
# A job may end its programs itself before it is killed: restic removes its lock on SIGINT.
KillSignal=SIGINT
TimeoutStopSec=30
ProtectControlGroups=yes
ProtectKernelModules=yes
UMask=0077
"""
_TIMER = """\
# Made by netdr from the inventory.
[Unit]
Description=netdr backup {verb} {asset} every {every} s

[Timer]
{when}
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def units(program: str, found: Iterable[Job]) -> Mapping[str, str]:
    """Return the text of every unit by its file name. ``program`` is the path of the host's netdr."""
    texts: dict[str, str] = {}
    for job in found:
        words = {"verb": job.verb, "asset": job.asset, "every": job.every}
        command = shlex.join([program, *job.words])
        # The limit: what is not done when it is due for the second time is stuck.
        limit = max(_HOUR, 2 * job.every)
        texts[f"netdr-{job.name}.service"] = _SERVICE.format(**words, command=command, limit=limit)
        texts[f"netdr-{job.name}.timer"] = _TIMER.format(**words, when=_when(job))
    return texts


def _when(job: Job) -> str:
    # Jobs of one host must not all begin in the same second.
    spread = f"RandomizedDelaySec={max(1, min(job.every // 20, 900))}"
    if job.every < _DAY:
        return f"OnBootSec={min(job.every, 300)}\nOnUnitActiveSec={job.every}\n{spread}"
    # A timer that counts from its last start forgets it when the host restarts; a calendar with Persistent does not.
    return f"OnCalendar={_date(job.every // _DAY)} {job.hour:02}:00:00\nPersistent=true\n{spread}"


def _date(days: int) -> str:
    """Return the days of systemd.time(7) that are never more than ``days`` apart, whatever the length of a month."""
    if days == 1:
        return "*-*-*"
    # A list and not 01/7: systemd 252 passes over 1 January after 29 December when the days are a repetition.
    listed = range(1, 32, days) if days < 16 else (1, 15) if days < 31 else (1,)
    return "*-*-" + ",".join(f"{day:02}" for day in listed)
