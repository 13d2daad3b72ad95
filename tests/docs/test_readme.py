"""What the documents say can be done: the same in both languages, every path there, every command and option known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from netdr.cli import root

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
DOCUMENTS = (*READMES, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))
# What a reader puts something of their own in place of.
PLACES = {"FOLDER", "目录", "NODE", "CMD", "VERB"}

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:netdr|\./run|ansible-playbook) [^`]*)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def block_lines(name: str) -> list[str]:
    return [line for block in _BLOCK.findall(text(name)) for line in block.splitlines() if line.strip()]


def commands(name: str) -> Iterator[list[str]]:
    """Yield the words of every netdr command of a document, from its blocks and its running text."""
    for line in [*block_lines(name), *_INLINE.findall(text(name))]:
        words = shlex.split(line)
        if "--" in words:
            words = words[words.index("--") + 1 :]
        if words[:2] == ["./run", "netdr"]:
            words = words[1:]
        if words[:2] == ["./run", "lab"]:
            words[0] = "netdr"
        if words[0] == "netdr":
            yield words[1:]


def test_both_languages_show_the_same_commands() -> None:
    first, second = READMES
    assert block_lines(first) == block_lines(second)
    inline = [
        sorted(re.sub("|".join(PLACES), "…", command) for command in _INLINE.findall(text(name))) for name in READMES
    ]
    assert inline[0] == inline[1]


def test_both_languages_have_the_same_sections() -> None:
    levels = [[line.split()[0] for line in text(name).splitlines() if line.startswith("#")] for name in READMES]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_netdr_command_and_option_is_known(name: str) -> None:
    for words in commands(name):
        command: click.Command = root
        rest = list(words)
        while rest:
            word = rest.pop(0)
            options = {
                option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
            }
            if word.startswith("-"):
                assert word in {*options, "--help"}, f"{name}: netdr {' '.join(words)}: {word}"
            elif isinstance(command, click.Group) and word in PLACES:
                break
            elif isinstance(command, click.Group):
                found = command.get_command(click.Context(command), word)
                assert found is not None, f"{name}: netdr {' '.join(words)}: {word}"
                command = found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for path, anchor in _LINK.findall(text(name)):
        if path.startswith(("http://", "https://")):
            continue
        target = (ROOT / name).parent / path
        assert target.exists(), f"{name}: {path}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor[1:] in {head.lower().replace(" ", "-") for head in heads}, f"{name}: {path}{anchor}"


@pytest.mark.parametrize("name", READMES)
def test_every_folder_of_the_house_is_there_and_named(name: str) -> None:
    house = re.search(r"^```\n(inventory/.*?)^```$", text(name), re.MULTILINE | re.DOTALL)
    assert house
    lines = house[1].splitlines()
    named = {word for line in lines[:-1] for word in re.findall(r"^\S+/", line)} | set(lines[-1].split())
    there = {f"{path.parent.name}/" for path in ROOT.glob("*/*") if path.is_file() and path.parent.name[0] != "."}
    assert named == there | {"tests/", "templates/"}


def test_the_usage_of_run_knows_every_command_the_documents_use() -> None:
    usage = set(re.findall(r"^\./run (\S+)", text("run"), re.MULTILINE))
    used = {found for name in DOCUMENTS for found in re.findall(r"\./run ([a-z]+)", text(name))}
    assert used <= usage
