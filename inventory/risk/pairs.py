"""What an assessor wants in pairs: border routers and core switches (GB/T 28448-2019, L3-CES1-31).

That a services host is alone is found by taking it out (``single``).
"""

from __future__ import annotations

from collections.abc import Iterator

from inventory.entry import Name
from inventory.network import Network
from inventory.risk.everybody import everybody
from inventory.risk.risk import Risk

CLAUSE = "L3-CES1-31"


def pairs(network: Network) -> Iterator[Risk]:
    """Yield a risk for the border if one device or one site has all city lines, and for each site with one core."""
    district = network.district
    units, tier = everybody(network)
    peers = {peer.device for peer in district.uplink.peers}
    places = {network.nodes[device].site for device in peers}
    if len(places) == 1:
        where = ", ".join(sorted(peers))
        what = Name(
            en=f"all lines to the city end at site {places.copy().pop()} ({where})",
            zh=f"到上级的线路都接在站点 {places.copy().pop()}（{where}）",
        )
        mend = Name(en="a second city line at another site", zh="在另一站点增加第二条上级线路")
        yield Risk("pair", district.uplink.id, "outage", "one-border", tier, units, what, mend, clause=CLAUSE)
    for site in district.sites:
        cores = [device.id for device in district.devices if device.site == site.id and device.role == "core"]
        if site.kind == "main" and len(cores) == 1:
            what = Name(en=f"site {site.id} has one core, {cores[0]}", zh=f"站点 {site.id} 只有一台核心设备 {cores[0]}")
            mend = Name(en=f"a second core at site {site.id}", zh=f"在站点 {site.id} 增加第二台核心设备")
            yield Risk("pair", site.id, "failover", "one-core", tier, units, what, mend, clause=CLAUSE)
