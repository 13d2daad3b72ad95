"""The verbs a host knows for an asset, and at which of its sites each is done: data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

# ``active``: where it is active now; ``home``: at home, while it is active there; ``standby``: at the DR site;
# ``both``: at the DR site, and at home while it is active there.
Where = Literal["active", "home", "standby", "both"]

WHERE: Mapping[str, Where] = {
    "plan": "active",
    "run": "active",
    "copy": "home",
    "tend": "standby",
    "stream": "both",
    "verify": "standby",
    "mutate": "standby",
    "witness": "home",
    "restore": "active",
    "moment": "standby",
    "prune": "both",
    "release": "standby",
    "list": "both",
    "status": "both",
}
