from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nornir_tasks.drivers.linux_device import OWNED, File, FormatError, dump, parse, places

TEXT = """\
#: file /etc/hostname mode=0644 owner=root:root
acc-1
#: file /etc/network/interfaces mode=0644 owner=root:root
auto lo
iface lo inet loopback

#: file /etc/snmp/snmpd.conf mode=0600 owner=root:root
"""


def test_the_text_of_three_files_is_parsed() -> None:
    assert parse(TEXT) == (
        File("/etc/hostname", "0644", "root:root", "acc-1\n"),
        File("/etc/network/interfaces", "0644", "root:root", "auto lo\niface lo inet loopback\n\n"),
        File("/etc/snmp/snmpd.conf", "0600", "root:root", ""),
    )


def test_the_line_of_each_header_is_known() -> None:
    assert places(parse(TEXT)) == {"/etc/hostname": 1, "/etc/network/interfaces": 3, "/etc/snmp/snmpd.conf": 7}


def test_dump_sorts_and_gives_the_same_text_back() -> None:
    assert dump(reversed(parse(TEXT))) == TEXT


def test_nothing_is_no_files() -> None:
    assert parse("") == ()
    assert dump(()) == ""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("hello\n", 1, "text before the first header"),
        ("\n", 1, "text before the first header"),
        ("#: file /etc/hostname mode=0644\n", 1, "not a file header"),
        ("#: file /etc/hostname mode=0644 owner=root:root group=x\n", 1, "not a file header"),
        ("#: file /etc/hostname mode=644 owner=root:root\n", 1, "not a file header"),
        ("#: file /etc/hostname mode=0648 owner=root:root\n", 1, "not a file header"),
        ("#: file etc/hostname mode=0644 owner=root:root\n", 1, "not a file header"),
        ("#: file /etc/hostname owner=root:root mode=0644\n", 1, "not a file header"),
        ("#: file /etc/hostname mode=0644 owner=root:root \n", 1, "not a file header"),
        ("#: flie /etc/hostname mode=0644 owner=root:root\n", 1, "not a file header"),
        ("#:\n", 1, "not a file header"),
        ("#: file /etc/shadow mode=0644 owner=root:root\n", 1, "/etc/shadow is not a file that netdr owns; known: "),
        ("#: file /etc/../etc/hostname mode=0644 owner=root:root\n", 1, "not a file that netdr owns"),
        (TEXT + "#: file /etc/hostname mode=0644 owner=root:root\n", 8, "comes twice, first on line 1"),
        (TEXT + "#: file /etc/issue.net mode=0644 owner=root:root\n", 8, "files are sorted by path"),
        (TEXT + "last", 8, "does not end with a newline"),
        (TEXT + "one\r\n", 8, "carriage return"),
        (TEXT + "one\0\n", 8, "NUL"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(text)
    assert [problem.line for problem in caught.value.problems] == [line]
    assert words in caught.value.problems[0].words


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(FormatError) as caught:
        parse("x\n#: file\n" + TEXT + "#: file /etc/shadow mode=0644 owner=root:root\nend")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 10, 11]


@pytest.mark.parametrize("content", ["no end", "a\n#: file x\n", "a\r\n"])
def test_dump_refuses_what_parse_would_not_give_back(content: str) -> None:
    with pytest.raises(FormatError):
        dump([File("/etc/hostname", "0644", "root:root", content)])


_lines = st.lists(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"])), max_size=5)
_contents = _lines.map(lambda lines: "".join(f"{line}\n" for line in lines if not line.startswith("#:")))
_files = st.dictionaries(st.sampled_from(sorted(OWNED)), _contents)


@given(_files)
def test_parse_and_dump_are_inverse(contents: dict[str, str]) -> None:
    files = tuple(File(path, "0640", "root:frr", text) for path, text in sorted(contents.items()))
    assert parse(dump(files)) == files


@given(_files)
def test_places_point_at_the_headers(contents: dict[str, str]) -> None:
    files = parse(dump(File(path, "0640", "root:frr", text) for path, text in contents.items()))
    lines = dump(files).split("\n")
    assert all(lines[line - 1].startswith(f"#: file {path} ") for path, line in places(files).items())
