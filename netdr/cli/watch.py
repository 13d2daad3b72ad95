"""``netdr dr watch`` and ``confirm``: on every controller a watch looks after the services hosts' guards."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click

from backup import remote
from backup.guard import hosts, memory, watch
from backup.guard.decide import Order, Pace, Right
from backup.guard.hosts import Heard
from backup.guard.watch import Cast, Parts, View
from backup.host import LocalShell
from backup.stream.daemon import Daemon
from inventory import placement
from inventory.placement import Placement
from netdr.cli import recovery
from netdr.cli.context import Context, print_json
from netdr.kernel.errors import NetdrError, RecoveryError, UsageError
from nornir_tasks import engine, witness

# Seconds between two glances at the file with the placement: what is decided here is told at once.
_GLANCE = 0.5
# Seconds between two looks while a new epoch is being settled.
_SETTLING = 1.0


def parts(context: Context, who: Cast) -> Parts:
    """Return what the controller that this runs on works with."""
    network, state = context.network, context.state
    shell, me = remote.over_ssh(network, context.inventory, state).shell, engine.controller(network)

    def peer(other: str) -> Placement:
        file = state.resolve() / placement.FILE
        result = shell(other).run(["sh", "-c", 'test ! -e "$1" || cat "$1"', "sh", str(file)], limit=hosts.LIMIT)
        if result.code != 0:
            raise RecoveryError("the other controller's placement cannot be read", where=other, why=result.last_words)
        return placement.parse(result.out, file, network.district) if result.out else placement.home(network.district)

    def exchange(name: str, order: Order, life: str) -> Heard | None:
        return hosts.exchange(shell(name), me, order, life)

    return Parts(
        load=partial(placement.load, state, network.district),
        save=partial(placement.save, state),
        peer=peer,
        answering=partial(recovery.answering, network),
        witness=partial(witness.reached, network, state),
        exchange=exchange,
        hand_over=lambda name, now, may: hosts.hand_over(shell(name), who.books[name], now, confirmed=may),
    )


@click.command(name="watch")
@click.option("--once", is_flag=True, help="Look once, say what was found, and end.")
@click.option(
    "--start", is_flag=True, help="Make sure that a watch runs on this controller, also after a restart of it."
)
@click.option("--stop", is_flag=True, help="End the watch that --start has begun.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print what was found for programs.")
@click.pass_obj
def watch_(context: Context, once: bool, start: bool, stop: bool, as_json: bool) -> None:
    """Watch over the services hosts from this controller: never two active sites.

    Every few seconds: take over a newer placement from the other controllers, renew what the hosts may serve, tell a
    site that comes back what was decided without it. It goes on until it is ended. With --once and --json: epoch,
    right, sight, waits, hosts, problems.
    """
    if once + start + stop > 1:
        raise UsageError("--once, --start and --stop do not go together")
    if start or stop:
        daemon = _watch_daemon(context)
        begin: Callable[[LocalShell], object] = daemon.ensure if start else daemon.stop
        begin(LocalShell(engine.controller(context.network)))
        return
    _watch(context, once=once)
    if as_json:
        print_json(json.loads((context.state / memory.FILE).read_text(encoding="utf-8")))


@dataclass(frozen=True)
class _Post:
    """Where a watch stands: the district as it was written ``written`` (ns), who is watched, and with what."""

    context: Context
    written: int
    who: Cast
    work: Parts

    @classmethod
    def at(cls, context: Context) -> _Post:
        """Return the post for the inventory as it is now. Raise Problems with everything that is wrong with it."""
        fresh = Context(context.folder, context.state_folder, context.language)
        written = _changed(*context.inventory.glob("*.yaml"))
        who = Cast.of(fresh.network, engine.controller(fresh.network), Pace())
        return cls(fresh, written, who, parts(fresh, who))

    def now(self) -> _Post:
        """Return the post for today's inventory; this one as long as that cannot be read, or is the same."""
        if _changed(*self.context.inventory.glob("*.yaml")) == self.written:
            return self
        try:
            return _Post.at(self.context)
        except NetdrError:
            return self


def _watch(context: Context, *, once: bool) -> None:
    view, told, file = memory.load(context.state) or View(), list[str](), context.state / placement.FILE
    post = _Post.at(context)
    while True:
        post = post.now()
        began, changed, who, work = time.monotonic(), _changed(file), post.who, post.work
        if memory.confirmed(context.state, work.load().epoch):
            view = replace(view, right=Right(in_step=True, had=work.now()))
        view = watch.look(work, who, view)
        epoch = work.load().epoch
        memory.save(context.state, view, epoch)
        if told != (told := _lines(context, view, epoch)):
            click.echo("\n".join(told), err=once)
        if once:
            return
        # What was decided just now is settled as soon as those who answer have carried it out.
        pause = _SETTLING if view.waits else who.pace.every
        while time.monotonic() < began + pause and _changed(file) == changed:
            time.sleep(_GLANCE)


def _changed(*files: Path) -> int:
    """Return when the newest of the files that are there was written, in nanoseconds."""
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


def _lines(context: Context, view: View, epoch: int) -> list[str]:
    """Return how things are, for people; the same as long as nothing changes."""
    text = context.text
    if view.right.entitled:
        may = text("may confirm what the hosts serve", "可确认各主机的主用权")
    elif view.right.in_step:
        may = text("reaches no majority of the witnesses: confirms nothing", "未能联系到多数见证单位，暂不确认")
    else:
        hint = text(f"or for netdr dr confirm --epoch {epoch}", f"或由人工执行 netdr dr confirm --epoch {epoch}")
        may = text("waits for every other controller, ", "等待联系上其他全部控制机，") + hint
    waits = ", ".join(sorted(view.waits))
    lines = [text(f"epoch {epoch}: {may}", f"第 {epoch} 次决定：{may}")]
    if waits:
        lines.append(text(f"not settled, because of {waits}", f"尚未生效，仍须等待：{waits}"))
    for name, heard in sorted(view.heard.items()):
        serves = ", ".join(heard.standing.may) or text("nothing", "无")
        lines.append(text(f"{name}: may serve {serves}", f"{name}：可提供 {serves}"))
    return [*lines, *view.problems]


@click.command()
@click.option(
    "--epoch", type=int, required=True, help="The number of the newest decision, as netdr dr status shows it."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def confirm(context: Context, epoch: int, yes: bool) -> None:
    """Say that this controller knows the newest decision, when another controller cannot be asked.

    A controller that has booted or was cut off does not know what was decided without it, and lets no host begin to
    serve until it has heard every other controller. If one of them is gone for good, a person has to know.
    """
    own = placement.load(context.state, context.network.district).epoch
    if epoch != own:
        hint = "netdr dr status on the controller that is right; what is decided there comes here by itself"
        raise RecoveryError(f"this controller knows of epoch {own}, not of epoch {epoch}", hint=hint)
    if not yes:
        what = context.text(
            "has nobody moved services elsewhere since? if somebody has, two sites serve at once",
            "确认此后无人将业务切换到别处？如已切换，将出现双主",
        )
        click.confirm(what, abort=True, err=True)
    memory.confirm(context.state, epoch, getpass.getuser())
    click.echo(context.text(f"epoch {epoch} is confirmed", f"已确认第 {epoch} 次决定"))


def _watch_daemon(context: Context) -> Daemon:
    netdr = str(Path(sys.executable).with_name("netdr"))
    folders = ("-i", str(context.inventory.resolve()), "--state", str(context.state.resolve()))
    return Daemon("netdr-watch", "netdr watch", (netdr, *folders, "dr", "watch"), context.state / "watch")


COMMANDS = (watch_, confirm)
