"""The command line: parse, build, call, print, exit. No logic of its own.

Each verb is a module of this folder that defines ``command``; it is imported only when it is called, so that
``netdr --help`` does not pay for NAPALM.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import click

from netdr import __version__
from netdr.cli.context import Context
from netdr.kernel.errors import NetdrError, Problems, UsageError, unknown
from netdr.kernel.language import language

# verb → (module of this folder, one line of help in English, in Chinese)
VERBS: dict[str, tuple[str, str, str]] = {
    "inventory": ("inventory", "check, show and draw the inventory", "检查、查看、绘制网络清单"),
    "secrets": ("secrets", "create and check the vault", "创建、检查密钥库"),
    "render": ("render", "what every device should say", "生成各设备应有的配置"),
    "diff": ("config", "what is different on the devices", "与设备现有配置比较"),
    "plan": ("config", "what would be changed, in which order", "生成变更计划"),
    "approvals": ("approvals", "who has approved a plan", "查看计划的批准情况"),
    "deploy": ("deploy", "carry out a plan on all devices or none", "执行变更：全部成功或全部不变"),
    "journal": ("journal", "keep another controller's journal of changes", "保存另一控制机的变更日志"),
    "verify": ("verify", "compare the zone policy with real packets", "用真实报文核对分区策略"),
    "archive": ("archive", "keep what the devices say", "保存设备运行配置"),
    "monitor": ("monitor", "exporter, Prometheus and Alertmanager configuration", "监控采集与告警配置"),
    "backup": ("backup", "back up, copy off site, prove that it comes back", "备份、异地复制、恢复验证"),
    "dr": ("dr", "fail over to the DR site and back", "容灾切换与回切"),
    "risk": ("risk", "what a single failure costs, and the cheapest mend", "单点故障与薄弱环节，及代价最低的改进"),
    "lab": ("lab", "the district in a box", "整网仿真实验环境"),
    "demo": ("demo", "the whole main job on the lab", "在实验环境演示全过程"),
}


class Verbs(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of the day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a verb. Raise UsageError, listing the known ones, if there is none of that name."""
        if cmd_name not in VERBS:
            raise UsageError(unknown("command", cmd_name, VERBS), hint="netdr --help")
        module = importlib.import_module(f"netdr.cli.{VERBS[cmd_name][0]}")
        found: click.Command = getattr(module, cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of verbs without importing any."""
        column = 2 if language(os.environ) == "zh" else 1
        with formatter.section("Commands"):
            formatter.write_dl([(verb, row[column]) for verb, row in VERBS.items()])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version")
@click.option(
    "-i",
    "--inventory",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="NETDR_INVENTORY",
    help="The district's folder. Default: the only one below ./inventory.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="NETDR_STATE",
    help="Where plans, journals, secrets and evidence live. Default: .netdr in the district's folder.",
)
@click.pass_context
def root(ctx: click.Context, folder: Path | None, state: Path | None) -> None:
    """netdr: a district's network as code, and its services back when the server room is lost."""
    ctx.obj = Context(folder=folder, state_folder=state, language=language(os.environ))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with the code of what went wrong, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result = root.main(arguments, prog_name="netdr", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except NetdrError as error:
        _show(error, as_json="--json" in arguments)
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def _show(error: NetdrError, *, as_json: bool) -> None:
    if as_json:
        problems = error.problems if isinstance(error, Problems) else (error,)
        click.echo(json.dumps({"problems": [p.as_dict() for p in problems]}, ensure_ascii=False, indent=2))
    click.echo(f"netdr: {error.report()}", err=True)
