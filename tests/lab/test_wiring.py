"""What ip(8) is told, and what the fstab says; that the kernel does it is shown by test_control.py."""

from pathlib import Path

from lab.disk import fstab
from lab.model import LabLink, Plug
from lab.wiring import cable


def test_both_ends_of_a_cable_are_made_inside_their_namespaces() -> None:
    link = LabLink("a--b", (Plug("a", "swp1"), Plug("b", "eth0")))
    assert cable("twin", link) == "swp1 netns twin.a type veth peer name eth0 netns twin.b"


def test_shares_are_read_only_and_a_blank_in_a_path_does_not_end_it() -> None:
    rows = [
        line.split()
        for line in fstab(Path("/x/root"), ["/home/me/my netdr"], ["/home/me/my netdr/.netdr"]).splitlines()
    ]
    # fstab(5): blanks are written as octal 040.
    assert rows[-2][:3] == ["/home/me/my\\040netdr", "/x/root/home/me/my\\040netdr", "none"]
    assert "ro" in rows[-2][3].split(",")
    assert rows[-1][1:3] == ["/x/root/home/me/my\\040netdr/.netdr", "tmpfs"]
    assert all(len(row) == 6 for row in rows)
