from nornir_tasks.patch.ios import IOS
from nornir_tasks.patch.tree import parse, paths
from nornir_tasks.patch.vrp import VRP


def test_indentation_makes_the_tree() -> None:
    text = "#\nospf 1\n area 0.0.0.0\n  network 10.0.0.0 0.0.0.255\n#\nsysname a\nreturn\n"
    assert list(paths(parse(text, VRP))) == [
        (("ospf 1",), True),
        (("ospf 1", "area 0.0.0.0"), True),
        (("ospf 1", "area 0.0.0.0", "network 10.0.0.0 0.0.0.255"), False),
        (("sysname a",), False),
    ]


def test_a_banner_is_one_line_whatever_is_in_it() -> None:
    text = "banner motd ^C\ninterface Vlan1\n shutdown\n^C\nhostname a\n"
    assert [path for path, _ in paths(parse(text, IOS))] == [
        ("banner motd ^C\ninterface Vlan1\n shutdown\n^C",),
        ("hostname a",),
    ]


def test_a_banner_on_one_line_ends_there() -> None:
    assert [path for path, _ in paths(parse("banner motd #no entry#\nhostname a\n", IOS))] == [
        ("banner motd #no entry#",),
        ("hostname a",),
    ]
