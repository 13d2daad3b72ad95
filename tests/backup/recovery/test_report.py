"""A run written down by hand, with times that can be added up by hand; and a run with everything that can be wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backup.recovery.plan import Phase, Step
from backup.recovery.report import Report, figures, write
from backup.recovery.report.checks import CHECKS, Evidence, rows
from backup.recovery.report.compare import Earlier, earlier
from backup.recovery.report.findings import findings
from backup.recovery.report.judgement import inputs, judge
from backup.recovery.report.kept import missing
from backup.recovery.report.page import page
from backup.recovery.report.standard import clauses
from backup.recovery.report.timeline import timeline
from backup.recovery.run import Done
from inventory import load
from inventory.entry import Name
from inventory.model import Recovery
from inventory.network import Network
from netdr.kernel.errors import RecoveryError

LOST = 1_800_000_000.0
LINWU = Path(__file__).parents[2] / "districts" / "linwu"


@pytest.fixture(scope="module")
def network() -> Network:
    return load.network(LINWU)


def done(name: str, phase: Phase, start: float, end: float, *needs: str, **facts: object) -> Done:
    service = name.partition(":")[2]
    step = Step(name, Name(en=name, zh=name), needs, 100.0, service, phase=phase, does=name.partition(":")[0])
    return Done(step, LOST + start, LOST + end, facts)


RUN = (
    done("detect", "detect", 10, 20),
    done("decide", "decide", 20, 50, "detect"),
    done("fence", "fence", 50, 51, "decide"),
    done("restore:notices", "fetch", 50, 60, "decide", snapshot="b" * 64, as_of=LOST - 90000),
    done("start:notices", "start", 60, 70, "restore:notices", "fence"),
    done("restore:registry", "fetch", 50, 80, "decide", snapshot="a" * 64, as_of=LOST - 30),
    done("start:registry", "start", 80, 85, "restore:registry", "fence"),
    done("switch", "switch", 85, 88, "start:notices", "start:registry"),
    done("verify:notices", "verify", 88, 88.5, "switch"),
    done("verify:registry", "verify", 88, 89, "switch"),
)


def report(network: Network, steps: tuple[Done, ...] = RUN, **more: object) -> Report:
    services = ("registry", "notices")
    found = figures(network, services, LOST, steps)
    plan = tuple(one.step for one in RUN)
    return replace(Report("server-room-lost", "run-2", LOST, found, steps, plan), **more)  # type: ignore[arg-type]


def test_every_second_of_the_rto_belongs_to_the_phase_that_the_service_waited_for(network: Network) -> None:
    found = report(network).services
    ten_seconds_unnoticed = {"detect": 20, "decide": 30, "fetch": 30, "start": 5, "switch": 3}
    assert found["registry"].phases == {**ten_seconds_unnoticed, "verify": 1}
    # Its own copy was there after 60 s; it had to wait for the other one before the addresses were switched.
    assert found["notices"].phases == {**ten_seconds_unnoticed, "verify": 0.5}
    assert (found["registry"].rto_s, found["registry"].rpo_s) == (89, 30)


def test_steps_that_say_nothing_of_what_they_need_follow_each_other(network: Network) -> None:
    steps = tuple(replace(one, step=replace(one.step, needs=())) for one in RUN if "notices" not in one.step.id)
    found = report(network, steps).services["registry"]
    assert found.phases == {"detect": 20, "decide": 30, "fetch": 30, "start": 5, "switch": 3, "verify": 1}


def test_a_service_whose_answer_was_wrong_has_no_figures(network: Network) -> None:
    wrong = replace(RUN[-1], failure=RecoveryError("no answer"))
    assert set(report(network, (*RUN[:-1], wrong)).services) == {"notices"}


def test_what_was_carried_home_lost_nothing(network: Network) -> None:
    carried = replace(RUN[5], step=replace(RUN[5].step, does="carry-home"))
    found = report(network, (*RUN[:5], carried, *RUN[6:])).services
    assert found["registry"].rpo_s is None
    assert found["registry"].kept


def rules(found: Report, network: Network, folder: Path | None = None) -> set[tuple[str, str]]:
    last = earlier(folder, found) if folder else None
    return {(finding.rule, finding.subject) for finding in judge(found, network, last).findings}


def test_findings_are_broken_promises_failed_steps_and_near_limits(network: Network) -> None:
    # notices promises to lose a day at most and lost 25 hours; nothing else is wrong.
    assert rules(report(network), network) == {("rpo-broken", "notices")}
    slow = replace(RUN[5], ended=LOST + 50 + 81)
    wrong = replace(RUN[-1], failure=RecoveryError("no <answer> & nothing"))
    # People may take their time; a machine's step that takes 81 of 100 s may not.
    person = replace(RUN[1], ended=RUN[1].started + 99)
    found = rules(report(network, (RUN[0], person, *RUN[2:5], slow, *RUN[6:-1], wrong)), network)
    assert found == {
        ("rpo-broken", "notices"),
        ("step-near-limit", "restore:registry"),
        ("step-failed", "verify:registry"),
        ("not-recovered", "registry"),
    }


def test_nobody_is_made_the_owner_of_a_finding(network: Network) -> None:
    assert [finding.owner for finding in findings(report(network), None)] == [""]


def test_a_run_is_compared_with_the_last_of_its_scenario(network: Network, tmp_path: Path) -> None:
    for run, back, scenario in (
        ("old", 5000, "server-room-lost"),
        ("last", 900, "server-room-lost"),
        ("x", 9, "drill"),
    ):
        steps = tuple(replace(one, started=one.started - back, ended=one.ended - back) for one in RUN)
        quick = (*steps[:-1], replace(steps[-1], ended=steps[-1].ended - 60))
        then = figures(network, ("registry", "notices"), LOST - back, quick)
        write(Report(scenario, run, LOST - back, then, quick), network, tmp_path / "reports", "en")
    (tmp_path / "reports" / "damaged.json").write_text("{")
    last = earlier(tmp_path / "reports", report(network))
    assert last is not None
    # 89 - 60 s then; 89 s now is more than half again as much.
    assert (last.run, last.rto["registry"]) == ("last", 29)
    assert ("slower", "registry") in rules(report(network), network, tmp_path / "reports")


def test_every_clause_has_a_check_and_every_check_a_clause() -> None:
    assert {clause.check for clause in clauses()} == set(CHECKS)


def verdicts(network: Network, found: Report) -> dict[str, str]:
    return {row.clause.id: row.verdict for row in rows(clauses(), Evidence(network, found, None))}


def test_clauses_are_judged_by_what_can_be_seen(network: Network) -> None:
    whole = verdicts(network, report(network))
    assert whole["L3-CES1-29"] == "met"
    assert whole["L3-CES1-31"] == "not met"  # one core, one services host
    assert whole["8.1.10.9"] == "not met"  # restic is not SM
    assert whole["8.1.10.13"] == "partly"  # never run before
    assert verdicts(network, report(network, RUN[:-1]))["L3-CES1-29"] == "not met"


@pytest.mark.parametrize(
    ("undo", "verdict"), [((), "not met"), (("switch",), "partly"), (("fence", "start", "switch"), "met")]
)
def test_a_plan_is_undone_by_the_steps_that_move_something(
    network: Network, undo: tuple[str, ...], verdict: str
) -> None:
    plan = tuple(replace(one.step, undo="back" if one.step.phase in undo else "") for one in RUN)
    assert verdicts(network, report(network, plan=plan))["8.1.10.10 c"] == verdict
    assert verdicts(network, report(network, plan=()))["8.1.10.10 c"] == "unknown"


def test_who_decided_is_told_and_whether_anybody_was_named(network: Network) -> None:
    decided = replace(RUN[1], facts={"by": "somebody"})
    found = report(network, (RUN[0], decided, *RUN[2:]))
    recovery = Recovery(deciders=("head", "deputy"))
    settings = network.district.settings.model_copy(update={"recovery": recovery})
    named = replace(network, district=network.district.model_copy(update={"settings": settings}))
    for where, verdict in ((network, "partly"), (named, "met")):
        row = next(row for row in rows(clauses(), Evidence(where, found, None)) if row.clause.check == "approved")
        assert (row.verdict, "decided by: somebody" in row.why.en) == (verdict, True)


@pytest.mark.parametrize(("days", "verdict"), [(29, "met"), (31, "not met")])
def test_a_rehearsal_counts_for_as_long_as_the_shortest_drill_period(network: Network, days: int, verdict: str) -> None:
    # registry is drilled every 30 days, notices every 90.
    last = Earlier("before", LOST - days * 86400, {}, {})
    found = rows(clauses(), Evidence(network, report(network), last))
    assert next(row.verdict for row in found if row.clause.check == "rehearsed") == verdict


class Reader(HTMLParser):
    """Collects what a browser would fetch, and whether every element is closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.fetched: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe"} or {name for name, _ in attrs} & {"src", "href"}:
            self.fetched.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.handle_starttag(tag, attrs)
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("language", "words"), [("en", "not brought back"), ("zh", "未恢复")])
def test_the_page_fetches_nothing_and_escapes_what_it_is_given(network: Network, language: str, words: str) -> None:
    wrong = replace(RUN[-1], failure=RecoveryError("<script>alert(1)</script> & more"))
    judgement = judge(report(network, (*RUN[:-1], wrong)), network, None)
    read = Reader()
    read.feed(page(judgement, network, language))  # type: ignore[arg-type]
    assert (read.fetched, read.wrong, read.open) == ([], [], [])
    assert "<script>alert(1)</script> & more" in read.text
    assert words in read.text
    assert judgement.inputs["plan"] in read.text


def test_bars_lie_where_their_time_is(network: Network) -> None:
    drawn = timeline(report(network))
    # 89 s are 640 units, from 360 on.
    assert [(bar.x, bar.width) for bar in drawn.bars][:2] == [(431.9, 71.9), (503.8, 215.7)]
    assert drawn.marks[-1] == (935.3, 80)
    # Nobody was there for an hour: the drawing begins with the first step.
    late = timeline(replace(report(network), lost_at=LOST - 3600))
    assert late.zero == LOST + 10


def test_the_evidence_is_a_chain_that_shows_what_was_done_to_it(network: Network, tmp_path: Path) -> None:
    kept = tmp_path / "evidence" / "recovery"
    for number in (1, 2, 3):
        path = write(replace(report(network), run=f"run-{number}"), network, tmp_path / "reports", "en")
        assert path == tmp_path / "reports" / f"run-{number}.html"
    assert missing(kept) == ()
    value = json.loads((kept / "run-3.json").read_text())
    assert value["before"]["evidence"] == "run-2.json"
    assert value["inputs"] == inputs(report(network), network)
    text = (kept / "run-1.json").read_text()
    (kept / "run-1.json").write_text(text.replace('"rto_s": 89.0', '"rto_s": 8.0'))
    assert [problem.where for problem in missing(kept)] == [str(kept / "run-1.json")]
    (kept / "run-1.json").write_text(text)
    (kept / "run-2.json").unlink()
    assert "gone" in str(missing(kept)[0])
    (kept / "run-3.json").write_text("{")
    assert "cannot be read" in str(missing(kept)[0])
    assert write(replace(report(network), run="run-4"), network, tmp_path / "reports", "zh").is_file()


def test_a_run_that_is_resumed_changes_nothing_that_was_kept(network: Network, tmp_path: Path) -> None:
    kept = tmp_path / "evidence" / "recovery"
    stopped = report(network, RUN[:-1], run="first")
    for one in (stopped, report(network, run="second"), report(network, run="first")):
        write(one, network, tmp_path / "reports", "en")
    assert missing(kept) == ()
    assert {path.name for path in kept.iterdir()} == {"first.json", "second.json", "first.2.json"}
    assert json.loads((kept / "first.2.json").read_text())["before"]["evidence"] == "second.json"


def test_a_folder_that_takes_no_report_is_an_operators_error(network: Network, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(RecoveryError, match="the report cannot be written"):
        write(report(network), network, tmp_path / "reports", "en")


def test_the_hashes_tell_another_inventory_and_another_plan(network: Network) -> None:
    now = inputs(report(network), network)
    units = network.district.units[:-1]
    other = replace(network, district=network.district.model_copy(update={"units": units}))
    assert inputs(report(network), other)["inventory"] != now["inventory"]
    assert inputs(report(network, plan=report(network).plan[:-1]), network)["plan"] != now["plan"]
