"""The command line: every verb is there, explains itself, and fails with the codes that the documentation lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from netdr.cli import VERBS, root
from netdr.kernel import errors
from netdr.kernel.errors import NetdrError, Problems

ROOT = Path(__file__).parents[2]


def commands(command: click.Command, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and its subcommands."""
    if name:
        yield name
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None, f"{verb} is listed and not there"
            yield from commands(found, (*name, verb))


def test_every_verb_is_a_command() -> None:
    assert {words[0] for words in commands(root)} == set(VERBS)


@pytest.mark.parametrize("words", tuple(commands(root)), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(root, [*words, "--help"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Usage: ")
    lines = [line.strip() for line in done.output.splitlines()[1:] if line.strip()]
    assert lines[0] != "Options:", "no sentence says what it does"


def test_the_documented_exit_codes_are_those_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NetdrError)]
    codes = {kind.exit_code for kind in kinds if kind not in {NetdrError, Problems}}
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("## Exit codes")[2]
    assert {int(code) for code in re.findall(r"(?<![\w/.])(\d+) \w", section)} == codes


def test_no_two_kinds_of_failure_share_a_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NetdrError)]
    codes = [kind.exit_code for kind in kinds if kind is not Problems]
    assert len(codes) == len(set(codes))
