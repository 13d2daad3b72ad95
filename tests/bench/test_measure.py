import json
from collections.abc import Callable

import pytest
from measure import OURS, Comparison, comparisons, interleaved, options, show, timed

# By hand: the ratios are 2/4, 3/4 and 4/2, so their median is 0.75; the medians of the seconds are 3 and 4.
COMPARISON = Comparison("work vs peer", "./run bench work", (2.0, 3.0, 4.0), (4.0, 4.0, 2.0))


def test_the_ratio_is_taken_round_by_round() -> None:
    assert COMPARISON.ratios == (0.5, 0.75, 2.0)


def test_the_json_form_has_the_medians_and_the_spread() -> None:
    assert COMPARISON.as_dict() == {
        "name": "work vs peer",
        "unit": "s",
        "ours": 3.0,
        "worst": 4.0,
        "peer": 4.0,
        "ratio": {"median": 0.75, "min": 0.5, "max": 2.0},
        "runs": 3,
        "command": "./run bench work",
    }


def test_a_figure_without_a_peer_has_its_median_and_its_worst(capsys: pytest.CaptureFixture[str]) -> None:
    figure = Comparison("outage", "./run bench x", (0.25, 0.5, 1.0), ())
    assert figure.as_dict() == {
        "name": "outage",
        "unit": "s",
        "ours": 0.5,
        "worst": 1.0,
        "runs": 3,
        "command": "./run bench x",
    }
    show([figure], as_json=False)
    assert "0.500         -   worst   1.000" in capsys.readouterr().out


def test_times_that_are_not_of_the_same_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _ = Comparison("work vs peer", "", (1.0, 1.0), (1.0,)).ratios


def test_every_round_begins_with_the_next_work() -> None:
    calls: list[str] = []

    def work(name: str) -> Callable[[], float]:
        def run() -> float:
            calls.append(name)
            return float(len(calls))

        return run

    found = interleaved({name: work(name) for name in "abc"}, 3)
    assert "".join(calls) == "abc" + "bca" + "cab"
    # Each second tells the place of the call: a was first, sixth and eighth.
    assert found == {"a": (1.0, 6.0, 8.0), "b": (2.0, 4.0, 9.0), "c": (3.0, 5.0, 7.0)}


def test_ours_is_compared_with_each_peer() -> None:
    found = comparisons("no change", "./run bench x", {OURS: (1.0,), "one": (2.0,), "two": (4.0,)})
    assert [(each.name, each.ratios) for each in found] == [
        ("no change vs one", (0.5,)),
        ("no change vs two", (0.25,)),
    ]


def test_json_is_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    show([COMPARISON, COMPARISON], as_json=True)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [COMPARISON.as_dict()] * 2


def test_the_table_names_the_work_and_how_to_reproduce_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    show([COMPARISON, COMPARISON], as_json=False)
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["work", "ours,", "s", "peer,", "s", "ratio", "min", "–", "max", "runs"]
    assert rows[0].split() == rows[1].split()
    assert rows[0].split() == ["work", "vs", "peer", "3.000", "4.000", "0.750", "0.500", "–", "2.000", "3"]
    assert rows[2:] == ["", "reproduce: ./run bench work"]


def test_timed_takes_as_long_as_the_call() -> None:
    inside: list[float] = []

    def work() -> None:
        inside.append(timed(lambda: sum(range(100_000))))

    seconds = timed(work)
    assert 0 < inside[0] <= seconds


def test_options_have_defaults_that_can_be_overruled() -> None:
    assert vars(options("a bench", 3, [])) == {"json": False, "runs": 3}
    assert vars(options("a bench", 3, ["--runs", "5", "--json"])) == {"json": True, "runs": 5}


@pytest.mark.parametrize("runs", ["0", "-1", "two"])
def test_less_than_one_round_is_a_mistake_of_usage(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        options("a bench", 3, ["--runs", runs])
    assert "argument --runs: invalid" in capsys.readouterr().err
