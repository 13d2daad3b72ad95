"""The programs that watch, as they run on a controller: data for Ansible, the demo and the tests.

Everything listens on loopback. Configuration is in ``/etc/netdr/monitor`` (``netdr monitor generate``), data in
``/var/lib/netdr``, and all run as the account that owns both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXPORTER = "127.0.0.1:9116"
PROMETHEUS = "127.0.0.1:9090"
ALERTMANAGER = "127.0.0.1:9093"

CONFIG = Path("/etc/netdr/monitor")
STATE = Path("/var/lib/netdr")

# What watches goes before what works: on a busy controller scrapes that come too late are devices that seem lost.
NICE = -10


@dataclass(frozen=True, slots=True)
class Daemon:
    """A program in the foreground. ``folders`` must exist and belong to ``user``; ``ready`` answers 200 when it serves.

    ``reads`` are the generated files it reads, by name: none if it reads the district and the vault themselves, once.
    ``reload`` is the signal that makes it read them again, empty if it must be restarted. ``nice`` is as in nice(1).
    """

    name: str
    argv: tuple[str, ...]
    user: str
    folders: tuple[Path, ...]
    ready: str
    reads: tuple[str, ...]
    reload: str
    nice: int = NICE


def daemons(netdr: str, inventory: Path, user: str, config: Path = CONFIG, state: Path = STATE) -> tuple[Daemon, ...]:
    """Given netdr's program, the district's folder and netdr's account there, return the daemons in starting order."""
    alerts, metrics = state / "alertmanager", state / "prometheus"
    return (
        Daemon(
            name="netdr-exporter",
            argv=(netdr, "-i", str(inventory), "--state", str(state), "monitor", "exporter", "--listen", EXPORTER),
            user=user,
            folders=(state,),
            ready=f"http://{EXPORTER}/-/healthy",
            reads=(),
            reload="",
        ),
        Daemon(
            name="netdr-alertmanager",
            argv=(
                "/usr/bin/prometheus-alertmanager",
                f"--config.file={config / 'alertmanager.yml'}",
                f"--storage.path={alerts}",
                f"--web.listen-address={ALERTMANAGER}",
                # Empty: no cluster port. Each controller's Alertmanager stands alone.
                "--cluster.listen-address=",
                "--log.level=warn",
            ),
            user=user,
            folders=(alerts,),
            ready=f"http://{ALERTMANAGER}/-/ready",
            reads=("alertmanager.yml",),
            reload="HUP",
        ),
        Daemon(
            name="netdr-prometheus",
            argv=(
                "/usr/bin/prometheus",
                f"--config.file={config / 'prometheus.yml'}",
                f"--storage.tsdb.path={metrics}",
                "--storage.tsdb.retention.time=90d",
                f"--web.listen-address={PROMETHEUS}",
                "--log.level=warn",
            ),
            user=user,
            folders=(metrics,),
            ready=f"http://{PROMETHEUS}/-/ready",
            reads=("prometheus.yml", "rules.yml"),
            reload="HUP",
        ),
    )
