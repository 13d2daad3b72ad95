import pytest

from lab.parallel import each
from netdr.kernel.errors import LabError, Problems


def test_every_failure_is_told_after_all_others_are_done() -> None:
    done: list[str] = []

    def act(name: str) -> None:
        if name.startswith("bad"):
            raise LabError("failed", where=name)
        done.append(name)

    with pytest.raises(Problems) as caught:
        each(["bad-2", "a", "bad-1", "b"], act)
    assert [problem.where for problem in caught.value.problems] == ["bad-1", "bad-2"]
    assert sorted(done) == ["a", "b"]


def test_a_mistake_of_ours_is_not_taken_for_a_failed_node() -> None:
    def act(name: str) -> None:
        raise KeyError(name)

    with pytest.raises(KeyError):
        each(["a"], act)
