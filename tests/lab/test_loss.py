"""Loss by hand: probes as they would be drawn on a time line."""

from __future__ import annotations

from lab.loss import Loss, Probe, losses


def line(unit: str, service: str, fates: str, every: float = 0.5) -> list[Probe]:
    """Probes of one flow: ``+`` answered, ``-`` not, one each ``every`` seconds from 0."""
    return [Probe(unit, service, every * n, fate == "+") for n, fate in enumerate(fates)]


def test_nothing_lost_is_no_gap() -> None:
    assert losses(line("mill", "notices", "++++"), 2.0) == {"mill": Loss(4, 0, 0.0)}


def test_a_gap_lasts_from_the_first_lost_packet_to_the_next_answered_one() -> None:
    # Lost at 1.0 and 1.5, answered again at 2.0.
    assert losses(line("mill", "notices", "++--++"), 3.0) == {"mill": Loss(6, 2, 1.0)}


def test_the_longest_of_several_gaps_counts() -> None:
    # 0.5 to 1.0, then 1.5 to 3.0.
    assert losses(line("mill", "notices", "+-+---+"), 3.5) == {"mill": Loss(7, 4, 1.5)}


def test_what_never_comes_back_is_a_gap_to_the_end() -> None:
    assert losses(line("mill", "notices", "+---"), 10.0) == {"mill": Loss(4, 3, 9.5)}


def test_a_service_that_is_cut_is_not_hidden_by_one_that_works() -> None:
    both = line("mill", "notices", "++++", 1.0) + line("mill", "registry", "+--+", 1.0)
    assert losses(sorted(both, key=lambda probe: probe.at), 4.0) == {"mill": Loss(8, 2, 2.0)}


def test_each_unit_has_its_own() -> None:
    found = losses(line("mill", "notices", "+-+") + line("ferry", "notices", "+++"), 1.5)
    assert found == {"mill": Loss(3, 1, 0.5), "ferry": Loss(3, 0, 0.0)}
