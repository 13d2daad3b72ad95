"""The comparison that `./run bench prefix` makes, on a small corpus."""

from __future__ import annotations

import json

import pytest
from prefix import DIALECTS, Score, compare, show

from nornir_tasks.patch.dialect import Dialect


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_ours_has_no_unsafe_prefix_where_the_peers_have(dialect: Dialect, capsys: pytest.CaptureFixture[str]) -> None:
    score: Score = compare(dialect, 8)
    assert (score.ours.unsafe_prefixes, score.ours.unsafe, score.ours.astray) == (0, 0, 0)
    assert score.ours.pairs + score.ours.refused == 8
    assert score.ours.prefixes > 80
    assert score.peer.pairs == 8
    assert score.peer.unsafe_prefixes > 0
    show([score], as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["unit"], told["ours"], told["runs"]) == ("unsafe prefixes", 0, 8)
    assert told["peer"] == score.peer.unsafe_prefixes
    show([score], as_json=False)
    assert f"{dialect.name}, hier_config" in capsys.readouterr().out
