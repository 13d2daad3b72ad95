"""Backups whose promise is broken today, by what their hosts say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from inventory.entry import Name
from inventory.network import Network
from inventory.risk.everybody import everybody
from inventory.risk.risk import Effect, Risk
from netdr.kernel.errors import BackupError, NetdrError


def standing(network: Network, broken: Mapping[str, Sequence[NetdrError]]) -> Iterator[Risk]:
    """Yield a risk for each asset with something wrong. ``broken``: what ``netdr backup status`` found, by asset.

    If it is not the backup itself that is wrong (a proof is late, a host does not answer), it is ``unproven``.
    """
    for asset, problems in broken.items():
        if not problems:
            continue
        units, tier = everybody(network, [asset])
        effect: Effect = "unsaved" if any(isinstance(one, BackupError) for one in problems) else "unproven"
        more = len(problems) - 1
        what = Name(
            en=f"{asset}: {problems[0]}" + (f" (and {more} more)" if more else ""),
            zh=f"{asset}：{problems[0]}" + (f"（另有 {more} 项）" if more else ""),
        )
        mend = Name(en=problems[0].hint or "netdr backup status", zh=problems[0].hint or "见 netdr backup status")
        yield Risk("copy", asset, effect, "backup-status", tier, units, what, mend)
