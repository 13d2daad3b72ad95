"""Users' packets while a user's own cable is pulled: only that user loses any, for as long as it is out."""

from __future__ import annotations

import time

import pytest

from lab import control
from lab.failing import flow
from lab.sweep import Use
from lab.testing import RunningLab
from lab.traffic import PACE_S, Traffic

pytestmark = pytest.mark.lab

OUT_S = 1.0


def test_a_pulled_cable_costs_its_user_the_packets_of_that_time_and_nobody_else(deployed_lab: RunningLab) -> None:
    lab, cable = deployed_lab, "acc-mill--host-mill"
    home = {service.id: service.home for service in lab.network.district.services}
    uses = [Use("service", unit, "notices") for unit in ("mill", "market")]
    flows = {(use.source, use.target): flow(lab.name, lab.network, home, use) for use in uses}
    with Traffic(flows) as traffic:
        time.sleep(OUT_S)
        try:
            control.break_(lab.name, cable)
            time.sleep(OUT_S)
        finally:
            control.heal(lab.name, cable)
        # ARP of the switch asks again for what did not answer, once a second.
        time.sleep(2 * OUT_S)
    mill, market = traffic.losses["mill"], traffic.losses["market"]
    assert market.lost == 0
    assert market.sent > 2 * OUT_S / PACE_S
    assert OUT_S - 2 * PACE_S <= mill.longest_gap_s < 2.5 * OUT_S
    assert 0 < mill.lost < mill.sent
