"""Data that might not come back, or not all of it: what the protection policies leave open."""

from __future__ import annotations

from collections.abc import Iterator

from inventory.asset import Asset, Devices, Files, NetdrState, Postgres, Protection, Service, Vault
from inventory.check.protection import shortfalls
from inventory.entry import Name, span
from inventory.network import Network
from inventory.risk.everybody import everybody
from inventory.risk.risk import Effect, Risk, Told

# What netdr itself needs to come back: the state it works from, the vault, what the devices say.
_OWN = {"netdr": NetdrState, "vault": Vault, "devices": Devices}


def protection(network: Network) -> Iterator[Risk]:
    """Yield what may be lost, or is never proven, of each asset; and what of netdr's own is not backed up at all."""
    policies = {policy.id: policy for policy in network.district.protections}
    for asset in network.district.protected:
        policy = policies[asset.protection]
        yield from _copies(network, asset, policy)
        yield from _stream(network, asset, policy)
        yield from _proof(network, asset, policy)
        yield from _drill(network, asset, policy)
    yield from _own(network)


def _copies(network: Network, asset: Asset, policy: Protection) -> Iterator[Risk]:
    if lacks := shortfalls(policy):
        en = f"{asset.id} falls short of 3-2-1-1-0: {'; '.join(lacks)}"
        what = Name(en=en, zh=f"{asset.id} 的副本不满足 3-2-1-1-0（{'；'.join(lacks)}）")
        mend = Name(
            en=f"add the copy that is missing to protection {policy.id}", zh=f"在保护策略 {policy.id} 中补上所缺的副本"
        )
        yield _risk(network, asset, "unsaved", Told("few-copies", what, mend))


def _stream(network: Network, asset: Asset, policy: Protection) -> Iterator[Risk]:
    databases = [source for source in asset.data if isinstance(source, Postgres)]
    if isinstance(asset, Service) and asset.tier == 1 and databases and not policy.stream:
        lost = span(policy.every)
        what = Name(
            en=f"{asset.id} is saved every {lost}: so much is lost with its site",
            zh=f"{asset.id} 每 {lost} 备份一次：主站点丢失时最多损失这段时间的数据",
        )
        mend = Name(en=f"stream: true in protection {policy.id}", zh=f"在保护策略 {policy.id} 中设置 stream: true")
        yield _risk(network, asset, "unsaved", Told("not-streamed", what, mend))


def _proof(network: Network, asset: Asset, policy: Protection) -> Iterator[Risk]:
    if not isinstance(asset, Service):
        return
    if policy.proof.depth != "v4":
        what = Name(
            en=f"{asset.id} is proven to {policy.proof.depth} only: nobody asks it anything when it is restored",
            zh=f"{asset.id} 的恢复验证只到 {policy.proof.depth}：恢复后没有检验业务应答",
        )
        mend = Name(en=f"proof depth v4 in protection {policy.id}", zh=f"在保护策略 {policy.id} 中将验证深度设为 v4")
        yield _risk(network, asset, "unproven", Told("shallow-proof", what, mend))
    if not any(_asked(source) for source in asset.data):
        what = Name(
            en=f"{asset.id}: no query, record or page says whether its restored data is right",
            zh=f"{asset.id}：没有查询、记录或网页可以证明恢复的数据正确",
        )
        mend = Name(en=f"queries for {asset.id} in services.yaml", zh=f"在 services.yaml 中为 {asset.id} 写明查询")
        yield _risk(network, asset, "unproven", Told("no-question", what, mend))
    if not any(isinstance(source, Postgres) and source.canary for source in asset.data):
        what = Name(
            en=f"{asset.id} has no canary: how much was lost is not measured when it is restored",
            zh=f"{asset.id} 没有心跳记录：恢复后无法测出丢失了多少数据",
        )
        mend = Name(
            en=f"a heartbeat row and its query (canary) for {asset.id}",
            zh=f"为 {asset.id} 增加心跳记录及其查询 (canary)",
        )
        yield _risk(network, asset, "unproven", Told("no-canary", what, mend))


def _drill(network: Network, asset: Asset, policy: Protection) -> Iterator[Risk]:
    if isinstance(asset, Service) and policy.drill is None:
        what = Name(
            en=f"{asset.id} is never drilled: nobody knows how long it takes to come back at the DR site",
            zh=f"{asset.id} 没有演练周期：不知道在容灾站点恢复需要多久",
        )
        mend = Name(
            en=f"drill: {{every: 90d}} in protection {policy.id}", zh=f"在保护策略 {policy.id} 中设置 drill 周期"
        )
        yield _risk(network, asset, "unproven", Told("no-drill", what, mend))


def _asked(source: object) -> bool:
    if isinstance(source, Postgres):
        return bool(source.queries or source.records)
    return isinstance(source, Files) and bool(source.url)


def _own(network: Network) -> Iterator[Risk]:
    kinds = {type(source) for asset in network.district.protected for source in asset.data}
    units, tier = everybody(network)
    for name, kind in _OWN.items():
        if kind not in kinds:
            what = Name(
                en=f"data of kind '{name}' is not backed up: a recovery may need it",
                zh=f"没有备份 {name} 类数据：恢复时可能需要它",
            )
            mend = Name(en=f"an asset with it in assets.yaml (kind: {name})", zh=f"在 assets.yaml 中增加 kind: {name}")
            yield Risk("copy", name, "unsaved", "not-saved", tier, units, what, mend)


def _risk(network: Network, asset: Asset, effect: Effect, told: Told) -> Risk:
    units, tier = everybody(network, [asset.id])
    return Risk("copy", asset.id, effect, told.rule, tier, units, told.what, told.mend)
