import copy
import json
import pickle

import pytest

from netdr.kernel import errors
from netdr.kernel.errors import BusyError, InventoryError, NetdrError, Problems, RefusedError, StoppedError, unknown
from netdr.kernel.language import language
from netdr.kernel.outcome import Outcome, Outcomes
from netdr.kernel.secret import Secret


def test_an_error_says_where_what_why_and_what_to_do() -> None:
    error = RefusedError("line refused", where="core-1", why="syntax error", hint="mend line 3")

    assert error.report() == "core-1: line refused: syntax error\n  hint: mend line 3"


def test_problems_shows_all_and_exits_with_the_first_ones_code() -> None:
    problems = Problems([InventoryError("one"), RefusedError("two")])

    assert problems.exit_code == 3
    assert problems.report() == "one\ntwo\n2 problems."


def test_every_kind_has_an_exit_code_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NetdrError)]
    codes = [kind.exit_code for kind in kinds if kind is not Problems]

    assert len(set(codes)) == len(codes)
    assert not {0, 126, 127} & set(codes)
    # What a shell makes of Ctrl-C means that here, too, and nothing else.
    assert [kind for kind in kinds if kind.exit_code == 130] == [StoppedError]


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NetdrError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_the_same_in_another_process(kind: type[NetdrError]) -> None:
    one = RefusedError("line refused", where="core-1", why="syntax error", hint="mend line 3")
    error = Problems([one, BusyError("held")]) if kind is Problems else kind("a", where="b", why="c", hint="d")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is kind
    assert (again.report(), again.exit_code, again.as_dict()) == (error.report(), error.exit_code, error.as_dict())


def test_problems_keep_each_problem_in_another_process() -> None:
    problems = Problems([RefusedError("one", where="a"), BusyError("two")])
    again = pickle.loads(pickle.dumps(problems))  # noqa: S301 - our own bytes
    told = [(type(problem), str(problem)) for problem in again.problems]
    assert told == [(RefusedError, "a: one"), (BusyError, "two")]


def test_an_unknown_name_lists_the_known_ones_sorted() -> None:
    assert unknown("site", "x", ["dr", "core"]) == "unknown site 'x'; known: core, dr"


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("hunter2-canary")

    assert "hunter2" not in f"{secret} {secret!r} {secret:>20} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})


def test_fingerprints_are_equal_for_equal_secrets_under_one_key_only() -> None:
    assert Secret("a").fingerprint(b"k") == Secret("a").fingerprint(b"k")
    assert Secret("a").fingerprint(b"k") != Secret("b").fingerprint(b"k")
    assert Secret("a").fingerprint(b"k") != Secret("a").fingerprint(b"other")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "zh_CN", "LANG": "en_GB.UTF-8"}, "zh"),
    ],
)
def test_the_locale_decides_the_language(environ: dict[str, str], expected: str) -> None:
    assert language(environ) == expected


def test_outcomes_are_sorted_and_know_what_changed_and_failed() -> None:
    failure = RefusedError("no")
    outcomes = Outcomes.of([Outcome("b", "commit", changed=True), Outcome("a", "commit", failure=failure)])

    assert [item.device for item in outcomes] == ["a", "b"]
    assert outcomes.changed == ("b",)
    assert outcomes.failures == (failure,)
    assert not outcomes.ok
