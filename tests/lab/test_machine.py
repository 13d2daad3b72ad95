from pathlib import Path

import pytest

from lab import machine
from lab.machine import Program, programs

PACKAGES = Path(machine.__file__).with_name("packages.txt").read_text(encoding="utf-8")


def test_every_package_of_the_list_says_which_program_it_is_needed_for() -> None:
    lines = [line for line in PACKAGES.splitlines() if not line.startswith("#")]
    assert [program.package for program in programs(PACKAGES)] == [line.split()[0] for line in lines]


def test_a_comment_is_not_a_package() -> None:
    assert programs("# nothing here: at all\nfrr  # /usr/lib/frr/zebra: routing\n") == (
        Program("/usr/lib/frr/zebra", "frr"),
    )


@pytest.mark.parametrize(
    ("name", "present"),
    [("sh", True), ("/bin/sh", True), ("/bin/s*h", True), ("no-such-program", False), ("/usr/lib/*/no-such.so", False)],
)
def test_a_program_is_looked_for_by_name_by_path_or_by_pattern(name: str, *, present: bool) -> None:
    assert Program(name, "any").present() is present
