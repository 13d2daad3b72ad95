"""People and keys: who must be there for a recovery to go on, and what happens if one of them is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inventory.entry import Name
from inventory.network import Network
from inventory.risk.everybody import everybody
from inventory.risk.risk import Kind, Risk, Told


@dataclass(frozen=True, slots=True)
class Escrow:
    """An escrow of keys: any ``threshold`` of its ``count`` shares open it."""

    threshold: int
    count: int


def people(network: Network, escrow: Escrow | None) -> Iterator[Risk]:
    """Yield where one person, or one key, is all there is. ``escrow``: the one this machine knows of, if any."""
    yield from _deciders(network)
    yield from _signers(network)
    yield from _keys(network, escrow)


def _deciders(network: Network) -> Iterator[Risk]:
    named = network.district.settings.recovery.deciders
    mend = Name(
        en="name two in district.yaml, recovery.deciders", zh="在 district.yaml 的 recovery.deciders 中写明两人"
    )
    if not named:
        what = Name(en="nobody is named who may decide a failover", zh="没有指定可以决定切换的人")
        yield _risk(network, "person", "failover", Told("no-decider", what, mend))
    elif len(named) == 1:
        what = Name(en=f"only {named[0]} may decide a failover", zh=f"只有 {named[0]} 一人可以决定切换")
        yield _risk(network, "person", "failover", Told("one-decider", what, mend))


def _signers(network: Network) -> Iterator[Risk]:
    approval = network.district.settings.approval
    count = len(approval.signers)
    mend = Name(
        en="name one more in district.yaml, approval.signers", zh="在 district.yaml 的 approval.signers 中增加一人"
    )
    if not count:
        what = Name(en="nobody is named who may approve a change", zh="没有指定可以批准变更的人")
        yield _risk(network, "person", "approval", Told("no-signer", what, mend))
    elif count <= approval.required:
        en = f"{approval.required} of {count} signers must approve: if one is away, nothing can be changed"
        what = Name(en=en, zh=f"{count} 名批准人中须有 {approval.required} 人批准：缺一人即无法变更")
        yield _risk(network, "person", "approval", Told("every-signer", what, mend))


def _keys(network: Network, escrow: Escrow | None) -> Iterator[Risk]:
    named = network.district.settings.recovery.custodians
    if escrow is None:
        what = Name(en="the backups' keys are in no escrow on this machine", zh="本机没有备份密钥的托管记录")
        mend = Name(en="netdr backup escrow split, then seal", zh="执行 netdr backup escrow split，再执行 seal")
        yield _risk(network, "key", "escrow", Told("no-escrow", what, mend))
    elif escrow.threshold == escrow.count:
        en = f"all {escrow.count} shares are needed: if one is lost, the keys are"
        what = Name(en=en, zh=f"托管的 {escrow.count} 份密钥缺一不可：丢失一份即无法开启")
        mend = Name(en="split again with more shares than are needed", zh="重新拆分，份数应多于开启所需的份数")
        yield _risk(network, "key", "escrow", Told("every-share", what, mend))
    if len(named) <= (escrow.threshold if escrow else 1):
        en = f"{len(named)} people are named who keep a share" if named else "nobody is named who keeps a share"
        zh = f"只写明了 {len(named)} 名密钥保管人" if named else "没有写明密钥保管人"
        mend = Name(
            en="name everybody who keeps one in district.yaml, recovery.custodians",
            zh="在 district.yaml 的 recovery.custodians 中写明全部保管人",
        )
        yield _risk(network, "key", "custodians", Told("few-custodians", Name(en=en, zh=zh), mend))


def _risk(network: Network, kind: Kind, subject: str, told: Told) -> Risk:
    units, tier = everybody(network)
    return Risk(kind, subject, "blocked", told.rule, tier, units, told.what, told.mend)
