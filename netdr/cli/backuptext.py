"""A report of a backup verb as one line or a few, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backup.mutation import table
from backup.report import JobReport

Text = Callable[[str, str], str]
Facts = Mapping[str, Any]


def line(text: Text, report: JobReport) -> str:
    """Return what people read about one service: what was done, with its figures, or that it failed."""
    head = f"{report.service} @ {report.host}"
    if not report.ok:
        failed = text(f"{report.verb} FAILED", f"{report.verb} 失败")
        return f"{head}: {failed} ({report.seconds:.1f} s)"
    words = _WORDS.get(report.verb, _done)(text, report.facts)
    return f"{head}: {words} ({report.seconds:.1f} s)"


def _done(text: Text, facts: Facts) -> str:  # noqa: ARG001 - the same form as the others
    return text("done", "完成")


def _init(text: Text, facts: Facts) -> str:
    made = ", ".join(facts["made"])
    return text(f"made repositories: {made}", f"已建立备份库：{made}") if made else text("is set up", "已就绪")


def _run(text: Text, facts: Facts) -> str:
    files, size = facts["files"], _size(facts["bytes"])
    copied = (
        ""
        if "copied" not in facts
        else text(f", {facts['copied']} copied to the DR site", f"，已复制到容灾站点 {facts['copied']} 份")
    )
    saved = text(
        f"saved {_short(facts)} as of {_moment(facts)}: {files} files, {size}",
        f"已备份 {_short(facts)}，数据时点 {_moment(facts)}：{files} 个文件，{size}",
    )
    return f"{saved}{copied}"


def _copy(text: Text, facts: Facts) -> str:
    new, all_ = facts["copied"], facts["present"]
    return text(f"{new} copied, the DR site has {all_}", f"复制 {new} 份，容灾站点共 {all_} 份")


def _prove(text: Text, facts: Facts) -> str:
    told = [text(f"{facts['stored']['packs']} packs read", f"读取 {facts['stored']['packs']} 个数据包")]
    if "files" in facts:
        told.append(text(f"{facts['files']} files equal", f"{facts['files']} 个文件一致"))
    if facts["service"]:
        told.append(text("started", "应用已启动"))
    if "queries" in facts:
        count = len(facts["queries"])
        pages = [page["page"] for page in facts["pages"] if page["page"]]
        shown = ", ".join([*pages, *filter(None, facts["records"].values())]) or "–"
        told.append(text(f"{count} queries true, read {shown}", f"{count} 项查询成立，读到 {shown}"))
    level = facts["level"].upper()
    return text(
        f"PROVEN {level} {_short(facts)} as of {_moment(facts)}: {', '.join(told)}",
        f"恢复验证通过（{level}）{_short(facts)}，数据时点 {_moment(facts)}：{'，'.join(told)}",
    )


def _plan(text: Text, facts: Facts) -> str:
    known = [one for one in facts["sources"] if one["bytes"] is not None]
    size = _size(sum(one["bytes"] for one in known)) if known else "?"
    what = ", ".join(one["where"] for one in facts["sources"])
    to = " → ".join(filter(None, (facts["repository"], facts["copy_to"])))
    rate = facts["upload"]
    slow = "" if rate is None else text(f", at most {rate} KiB/s now", f"，当前限速 {rate} KiB/s")
    return text(f"would save {what} ({size}) → {to}{slow}", f"将备份 {what}（{size}）→ {to}{slow}")


def _mutate(text: Text, facts: Facts) -> str:
    count = len(facts["rows"])
    return (
        text(f"all {count} kinds of damage were found", f"{count} 种损坏全部被发现") + "\n" + table.text(facts["rows"])
    )


def _tend(text: Text, facts: Facts) -> str:
    count, new = facts["present"], facts["new"]
    held = text("; THE BRAKE IS ON: ", "；已刹停：") + "; ".join(facts["holds"]) if facts["holds"] else ""
    odd = len(facts["quarantined"])
    apart = text(f", {odd} quarantined", f"，隔离 {odd} 份") if odd else ""
    return text(f"{count} snapshots, {new} new{apart}{held}", f"共 {count} 份快照，新到 {new} 份{apart}{held}")


def _prune(text: Text, facts: Facts) -> str:
    kept, gone = len(facts["kept"]), len(facts["forgotten"])
    return text(f"kept {kept} snapshots, forgot {gone}", f"保留 {kept} 份快照，清理 {gone} 份")


def _release(text: Text, facts: Facts) -> str:
    return text(f"released by {facts['by']}: {facts['why']}", f"已由 {facts['by']} 解除：{facts['why']}")


def _restore(text: Text, facts: Facts) -> str:
    if "folder" in facts:
        return text(
            f"{_short(facts)} as of {_moment(facts)}, {facts['files']} files equal, is in {facts['folder']}",
            f"{_short(facts)}（数据时点 {_moment(facts)}，{facts['files']} 个文件一致）已恢复到 {facts['folder']}",
        )
    if "committed" in facts:
        newest = facts["committed"] or "–"
        return text(
            f"in place: databases as of {_moment(facts)}, their last change of {newest}",
            f"已就位：数据库恢复到 {_moment(facts)}，其最后一次变更为 {newest}",
        )
    return text(
        f"in place: {_short(facts)} as of {_moment(facts)}, {facts['files']} files equal",
        f"已就位：{_short(facts)}，数据时点 {_moment(facts)}，{facts['files']} 个文件一致",
    )


def _stream(text: Text, facts: Facts) -> str:
    if not facts.get("streamed", True):
        return text("is not streamed", "不接收流")
    if "canary" in facts:
        return text(f"canary row {facts['canary']}", f"心跳记录 {facts['canary']}")
    if "behind" not in facts:
        return text("lets the DR host stream", "已允许容灾主机接收流")
    base = f", base backup {facts['base']}" if "base" in facts else ""
    base_zh = f"，基础备份 {facts['base']}" if "base" in facts else ""
    new = facts["new_stretch"]
    anew = text(f"; began anew: {new}", f"；重新开始：{new}") if new not in {"", "first"} else ""
    return text(
        f"received up to {facts['received']}, {facts['behind']} bytes behind{base}{anew}",
        f"已接收至 {facts['received']}，落后 {facts['behind']} 字节{base_zh}{anew}",
    )


def _list(text: Text, facts: Facts) -> str:
    results = {"passed": text("proven", "已验证"), "failed": text("FAILED its proof", "验证失败"), "none": "–"}
    rows = [f"\n  {_short(row)}  {_moment(row)}  {results[row['proof']]}" for row in facts["snapshots"]]
    return "".join((str(facts["repository"]), *rows))


def _status(text: Text, facts: Facts) -> str:
    saved, copied, proven = (facts[name] for name in ("saved_age_s", "copied_age_s", "proven_age_s"))
    kept = text(
        f"kept; data of the newest backup {saved:.0f} s old, of the newest copy {copied:.0f} s",
        f"达标；最新备份数据 {saved:.0f} 秒前，最新副本数据 {copied:.0f} 秒前",
    )
    # Proofs are the DR site's business: the home site does not know of them.
    return kept if proven is None else kept + text(f", proven {proven:.0f} s ago", f"，{proven:.0f} 秒前验证")


_WORDS: Mapping[str, Callable[[Text, Facts], str]] = {
    "init": _init,
    "plan": _plan,
    "run": _run,
    "copy": _copy,
    "verify": _prove,
    "mutate": _mutate,
    "tend": _tend,
    "prune": _prune,
    "release": _release,
    "moment": _run,
    "restore": _restore,
    "stream": _stream,
    "list": _list,
    "status": _status,
}


def _short(facts: Facts) -> str:
    return str(facts["snapshot"])[:8]


def _moment(facts: Facts) -> str:
    return str(facts["as_of"])[:19].replace("T", " ") + "Z"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
