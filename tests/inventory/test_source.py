from pathlib import Path

import pytest

from inventory import source
from netdr.kernel.errors import Problems


def read(folder: Path, text: str) -> source.Document:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return source.read(path)


def refused(folder: Path, data: bytes) -> str:
    path = folder / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(Problems) as caught:
        source.read(path)
    return "\n".join(str(problem) for problem in caught.value.problems).replace(f"{folder}/", "")


# YAML 1.2.2, section 10.3.2 (core schema): what a plain scalar is. In YAML 1.1 several of these were something else.
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("0x1f", "0x1f"),
        ("010", "010"),
        ("1_000", "1_000"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("-12", -12),
        ("0", 0),
        ("1.5e3", 1500.0),
        ("'7'", "7"),
        ('"true"', "true"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(tmp_path: Path, written: str, value: object) -> None:
    found = read(tmp_path, f"key: {written}\n").value
    assert isinstance(found, dict)
    assert found["key"] == value
    assert type(found["key"]) is type(value)


def test_sequences_are_tuples_and_keys_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, "1: [a, [b, c]]\n2: {}\n").value == {"1": ("a", ("b", "c")), "2": {}}


def test_where_is_the_line_of_the_key_or_item(tmp_path: Path) -> None:
    document = read(
        tmp_path, "units:\n  - id: a\n    uplinks:\n      - x\n      - y\n  - id: b\n    name:\n      zh: 乙\n"
    )
    lines = {
        (): 1,
        ("units",): 1,
        ("units", 0, "id"): 2,
        ("units", 0, "uplinks"): 3,
        ("units", 0, "uplinks", 1): 5,
        ("units", 1): 6,
        ("units", 1, "name", "zh"): 8,
        # What is not there is found where it would be.
        ("units", 1, "name", "en"): 7,
        ("units", 1, "postgresql", "name"): 7,
    }
    assert {steps: document.where(steps) for steps in lines} == {
        steps: f"{tmp_path}/a.yaml:{line}" for steps, line in lines.items()
    }


def test_an_alias_is_the_value_it_names(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x {k: 1}\nb: *x\n").value == {"a": {"k": 1}, "b": {"k": 1}}


def test_a_tower_of_aliases_is_built_once(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}]\n" for n in range(1, 60))
    found = read(tmp_path, f"l0: &l0 x\n{levels}").value
    assert isinstance(found, dict)
    assert len(found) == 60


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert source.read(tmp_path / "a.yaml").value == {"a": 1}


def test_all_mistakes_of_form_come_at_once(tmp_path: Path) -> None:
    assert refused(tmp_path, b"a: 1\na: 2\nb: {c: 1, c: 2}\n? [x]\n: 3\nd: !!set {y}\n") == (
        "a.yaml:2: duplicate key 'a': first on line 1\n"
        "a.yaml:3: duplicate key 'c': first on line 3\n"
        "a.yaml:4: a key that is not text\n"
        "a.yaml:6: tag 'tag:yaml.org,2002:set': the inventory is plain data without tags"
    )


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert "empty" in refused(tmp_path, text.encode())


def test_deep_nesting_is_refused_without_a_traceback(tmp_path: Path) -> None:
    assert refused(tmp_path, b"[" * 5000 + b"]" * 5000) == "a.yaml: nested too deeply"


def test_a_tab_inside_a_value_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 'x\ty'\n").value == {"a": "x\ty"}


def test_a_merge_key_is_just_a_key(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &a {k: 1}\nb: {'<<': *a}\n").value == {"a": {"k": 1}, "b": {"<<": {"k": 1}}}


def test_utf_16_is_refused_by_its_first_byte(tmp_path: Path) -> None:
    assert refused(tmp_path, "a: 1\n".encode("utf-16")) == "a.yaml:1: byte 0xff is not UTF-8"


def test_write_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    source.write(path, {"b": 1, "a": "县"}, "First.\nSecond.")
    source.write(path, {"z": "10.0.0.1"}, "Third.")
    assert path.read_text(encoding="utf-8") == "# Third.\nz: 10.0.0.1\n"
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]


def test_write_into_a_folder_that_is_not_there_fails_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        source.write(tmp_path / "gone" / "a.yaml", {}, "")
