"""Every shell block of the documents is run, line by line, in its order, as a newcomer would."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory import load
from lab import control, state

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
# Not here: the demo has its test in tests/lab/test_demo.py, and this is a part of ./run test.
ELSEWHERE = {"./run demo", "./run test"}
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What a line must print, besides ending well.
SAYS = {
    "netdr inventory check": "no problems, 0 warnings",
    "netdr plan": "nothing to do: all 41 devices",
    "lab status": "cut cables: -",
}


def lines() -> list[str]:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS]
    found = [line for text in texts for block in _BLOCK.findall(text) for line in block.splitlines()]
    return [line for line in found if line.strip() and line not in ELSEWHERE]


@pytest.fixture
def lab_name() -> Iterator[str]:
    """The name that a lab of the example district gets; one that somebody has up is left alone."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    name = load.network(ROOT / "inventory" / "suxian").district.settings.id
    if name in state.names():
        pytest.skip(f"a lab called {name} is there already")
    yield name
    control.down(name)


def test_every_block_can_be_run(lab_name: str) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    for line in lines():
        done = subprocess.run(
            ["bash", "-ec", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode == 13:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        for words, said in SAYS.items():
            if words in line:
                assert said in done.stdout + done.stderr, f"{line}: {done.stdout}{done.stderr}"
    assert len(control.leftovers(lab_name)) == 0, "the last line should take the lab down"


def test_what_must_be_said_belongs_to_a_line() -> None:
    assert [words for words in SAYS if not any(words in line for line in lines())] == []
