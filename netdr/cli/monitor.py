"""``netdr monitor``: the exporter, the configuration of Prometheus and Alertmanager, and what they say."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from dataclasses import asdict
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import click

from backup import remote
from monitoring import prometheus
from monitoring.daemons import EXPORTER
from monitoring.protection import duties
from monitoring.status import Alert, TargetState, Watcher
from monitoring.targets import targets, users
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import MonitorError, UsageError, unknown


@click.group()
def monitor() -> None:
    """Watch the network: exporter, Prometheus, Alertmanager."""


@monitor.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written for programs.")
@click.pass_obj
def generate(ctx: Context, out: Path, as_json: bool) -> None:
    """Write prometheus.yml, rules.yml and alertmanager.yml for the inventory."""
    made = prometheus.files(ctx.network)
    changed = [name for name, text in made.items() if _write(out / name, text)]
    if as_json:
        print_json({"folder": str(out), "files": list(made), "changed": changed})
    else:
        names = ", ".join(changed) or ctx.text("nothing", "无")
        click.echo(ctx.text(f"{out}: {names} changed", f"{out}：更新 {names}"))


def _write(path: Path, text: str) -> bool:
    """Replace a file as a whole if it says something else; return whether it did."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise MonitorError("cannot be written", where=str(path), why=str(error)) from error
    return True


@monitor.command()
@click.option("--listen", default=EXPORTER, show_default=True, help="ADDRESS:PORT, on loopback.")
@click.pass_obj
def exporter(ctx: Context, listen: str) -> None:
    """Answer Prometheus' scrapes by asking devices over SNMPv3, until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_export(ctx, _address(listen)))


def _address(listen: str) -> tuple[str, int]:
    """Given ADDRESS:PORT, return both. Raise UsageError if it is not one, or not on loopback."""
    try:
        host, _, port = listen.rpartition(":")
        address, number = IPv4Address(host), int(port)
    except ValueError:
        raise UsageError(f"not ADDRESS:PORT: {listen!r}", hint=f"--listen {EXPORTER}") from None
    if not (address.is_loopback and 0 < number < 65536):
        raise UsageError(f"not a port on loopback: {listen!r}", hint=f"--listen {EXPORTER}")
    return str(address), number


def _backups(ctx: Context, host: str, seconds: float) -> str:
    """Ask a host over ssh how its backups are: what Prometheus scrapes as ``/backup?target=HOST``."""
    known = {name for name, _ in duties(ctx.network)}
    if host not in known:
        raise UsageError(unknown("host with backups", host, known))
    return remote.over_ssh(ctx.network, ctx.inventory, ctx.state).metrics(host, seconds)


async def _export(ctx: Context, address: tuple[str, int]) -> None:
    # Imported here: generate, status and wait need neither pysnmp nor prometheus-client.
    from monitoring.exporter import Exporter  # noqa: PLC0415 - see above
    from monitoring.module import shipped  # noqa: PLC0415 - see above
    from monitoring.pysnmp_agent import Engines  # noqa: PLC0415 - see above
    from monitoring.scrape import Scraper  # noqa: PLC0415 - see above
    from monitoring.telemetry import Telemetry  # noqa: PLC0415 - see above

    telemetry, known = Telemetry(), users(ctx.network, ctx.secrets)
    # Scrapes under way when it is stopped are cancelled with the event loop; sockets close with the process.
    scraper = Scraper(targets(ctx.network), shipped(), known, Engines().open, telemetry)
    server = Exporter(address, scraper, telemetry, default_auth=next(iter(known)), backups=partial(_backups, ctx))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    click.echo(f"listening on {address[0]}:{address[1]}", err=True)
    await server.serve(stop)
    click.echo("stopped", err=True)


@monitor.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything for programs.")
@click.pass_obj
def status(ctx: Context, as_json: bool) -> None:
    """Show which devices answer and which alerts are firing, as this machine's Prometheus and Alertmanager see it."""
    states, alerts = Watcher().targets(), Watcher().alerts()
    up = sum(state.up for state in states)
    if as_json:
        found = {"targets_total": len(states), "targets_up": up, "targets": [asdict(state) for state in states]}
        print_json({**found, "alerts": [asdict(alert) for alert in alerts]})
        return
    click.echo(ctx.text(f"{up} of {len(states)} devices answer", f"{len(states)} 台设备中 {up} 台有应答"))
    for line in (*map(_down, (state for state in states if not state.up)), *_firing(ctx, alerts)):
        click.echo(line)


def _down(state: TargetState) -> str:
    return f"  {state.device}: {state.why}"


def _firing(ctx: Context, alerts: tuple[Alert, ...]) -> list[str]:
    shown = [alert for alert in alerts if alert.severity != "none"]
    head = ctx.text(f"{len(shown)} alerts", f"{len(shown)} 条告警")
    held = ctx.text(" (held back)", "（已抑制）")
    return [head] + [
        f"  {alert.since[:19]} {alert.severity:8} {alert.name}: {ctx.text(alert.summary, alert.summary_zh)}"
        f"{held if alert.suppressed else ''}"
        for alert in shown
    ]


@monitor.command()
@click.option("--targets-up", is_flag=True, help="Wait until every device answers.")
@click.option("--firing", metavar="ALERT", help="Wait until Alertmanager shows an alert.")
@click.option("--resolved", metavar="ALERT", help="Wait until Alertmanager no longer shows an alert.")
@click.option("--link", help="Only an alert of this link.")
@click.option("--device", help="Only an alert of this device.")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS")
@click.option("--since", type=float, metavar="UNIXTIME", help="Count seconds from then. Default: now.")
@click.option("--json", "as_json", is_flag=True, help="Print the seconds for programs.")
@click.pass_obj
def wait(  # noqa: PLR0913 - one argument per option
    ctx: Context,
    *,
    targets_up: bool,
    firing: str | None,
    resolved: str | None,
    link: str | None,
    device: str | None,
    timeout: float,
    since: float | None,
    as_json: bool,
) -> None:
    """Wait for one thing and tell how long it took."""
    if sum(map(bool, (targets_up, firing, resolved))) != 1:
        raise UsageError("give one of --targets-up, --firing ALERT, --resolved ALERT")
    labels = {name: value for name, value in (("link", link), ("device", device)) if value}
    start = time.time() if since is None else since
    if firing:
        seconds = Watcher().wait_firing(firing, labels, timeout, start)
    elif resolved:
        seconds = Watcher().wait_resolved(resolved, labels, timeout, start)
    else:
        seconds = Watcher().wait_targets_up(timeout, start)
    if as_json:
        print_json({"seconds": round(seconds, 2)})
    else:
        click.echo(ctx.text(f"after {seconds:.1f} s", f"用时 {seconds:.1f} 秒"))
