"""The report as people read it: one HTML file that fetches nothing and prints on A4. The only module with Jinja here.

The template is ``page.html.j2`` beside it. Everything that is put into it is escaped; what it lacks is an error.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from backup.recovery.report.figures import PHASES
from backup.recovery.report.judgement import Judgement
from backup.recovery.report.standard import editions
from backup.recovery.report.timeline import timeline
from inventory.entry import Name, span
from inventory.network import Network
from netdr.kernel.language import Language

_PHASES = {
    "detect": Name(en="detect", zh="发现"),
    "decide": Name(en="decide (people)", zh="决策（人工）"),
    "fence": Name(en="fence", zh="隔离"),
    "fetch": Name(en="fetch", zh="取数据"),
    "start": Name(en="start", zh="启动"),
    "verify": Name(en="verify", zh="验证"),
    "switch": Name(en="switch", zh="切换"),
    "tidy": Name(en="tidy", zh="清理"),
}
_VERDICTS = {
    "met": Name(en="met", zh="符合"),
    "partly": Name(en="partly", zh="部分符合"),
    "not met": Name(en="not met", zh="不符合"),
    "unknown": Name(en="unknown", zh="无法判断"),
}


def page(judgement: Judgement, network: Network, language: Language) -> str:
    """Return the page of a run in the reader's language, times in the time zone of this machine."""

    def text(en: str, zh: str) -> str:
        return zh if language == "zh" else en

    return _template().render(
        t=text,
        of=lambda name: name.of(language),
        span=span,
        moment=_moment,
        language=language,
        report=judgement.report,
        judgement=judgement,
        district=network.district,
        services={service.id: service for service in network.district.services},
        phases=[phase for phase in PHASES if any(phase in row.phases for row in judgement.report.services.values())],
        phase_names=_PHASES,
        verdicts=_VERDICTS,
        editions={standard.id: standard for standard in editions()},
        timeline=timeline(judgement.report),
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


@cache
def _template() -> Template:
    text = files("backup.recovery.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)
