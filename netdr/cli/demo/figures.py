"""The figures of one demo run. Field names are read by programs: they stay as they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from netdr.kernel.language import Language


@dataclass
class ServiceFigures:
    """One service's fate in the failover, measured at the units: seconds, and acknowledged writes that are gone."""

    rto_s: float
    rpo_s: float
    acknowledged_lost: int


@dataclass
class Figures:
    """What the demo measured. None: the demo did not get that far."""

    lab_up_s: float | None = None
    lab_memory_mb: int | None = None
    nodes: int | None = None
    devices_deployed: int | None = None
    second_deploy_changes: int | None = None
    one_unit_change_devices: int | None = None
    rollback_restored_devices: int | None = None
    failed_unit_restored_devices: int | None = None
    failed_unit_abort_s: float | None = None
    matrix_cells: int | None = None
    matrix_mismatches: int | None = None
    targets_total: int | None = None
    targets_up: int | None = None
    alert_fired_s: float | None = None
    alert_resolved_s: float | None = None
    snapshots_copied: int | None = None
    proofs_passed: int | None = None
    tamper_detected: bool | None = None
    units_served_after_failover: int | None = None
    services: dict[str, ServiceFigures] = field(default_factory=dict)
    failback_lost: int | None = None
    total_s: float | None = None
    leftovers: int | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the ``--report`` form."""
        return asdict(self)

    def summary(self, language: Language) -> str:
        """Return the figures as people read them."""
        column = 1 if language == "zh" else 0
        lines = ["", ("The figures", "结果")[column]]
        values = asdict(self)
        for name, titles in _TITLES.items():
            if values[name] is not None:
                lines.append(f"  {titles[column]}: {values[name]}")
        for name, item in self.services.items():
            lost = ("acknowledged writes lost", "已确认而丢失的写入")[column]
            lines.append(f"  {name}: RTO {item.rto_s} s, RPO {item.rpo_s} s, {lost}: {item.acknowledged_lost}")
        return "\n".join(lines)


_TITLES = {
    "lab_up_s": ("lab up and converged, s", "实验环境启动并收敛（秒）"),
    "lab_memory_mb": ("its memory, MB", "占用内存（MB）"),
    "nodes": ("nodes", "节点数"),
    "devices_deployed": ("devices configured from day 0", "从零配置的设备数"),
    "second_deploy_changes": ("changes on a second deploy", "再次执行的变更数"),
    "one_unit_change_devices": ("devices touched by a VLAN in one unit", "单个单位新增 VLAN 涉及的设备数"),
    "rollback_restored_devices": ("devices brought back after a failed check", "检查失败后恢复原状的设备数"),
    "failed_unit_restored_devices": ("devices brought back after one failed", "单台设备失败后恢复原状的设备数"),
    "failed_unit_abort_s": ("from its failure to all being back, s", "从失败到全部恢复（秒）"),
    "matrix_cells": ("flows tried with real packets", "用真实报文核对的流数"),
    "matrix_mismatches": ("flows that differ from the policy", "与策略不符的流数"),
    "targets_total": ("monitored devices", "受监控设备数"),
    "targets_up": ("of these, up", "其中正常"),
    "alert_fired_s": ("cut link to firing alert, s", "断链到告警（秒）"),
    "alert_resolved_s": ("heal to resolved alert, s", "恢复到解除（秒）"),
    "snapshots_copied": ("snapshots copied to the DR site", "复制到容灾站点的快照数"),
    "proofs_passed": ("restore proofs passed", "通过的恢复验证数"),
    "tamper_detected": ("a flipped byte was found", "发现被篡改的字节"),
    "units_served_after_failover": ("units served after the failover", "切换后可访问的单位数"),
    "failback_lost": ("acknowledged writes lost in the failback", "回切中丢失的已确认写入"),
    "total_s": ("the whole demo, s", "总用时（秒）"),
    "leftovers": ("namespaces, mounts and processes left behind", "遗留的命名空间、挂载与进程数"),
}
