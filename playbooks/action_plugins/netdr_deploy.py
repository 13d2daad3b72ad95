"""Make devices say what the inventory means: one transaction over all devices given, the same as ``netdr deploy``."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from inventory import placement
from netdr.cli.changes import grouped
from netdr.cli.context import Context, from_environment
from netdr.kernel.errors import NetdrError
from nornir_tasks import approval, engine
from nornir_tasks.engine import Engine
from nornir_tasks.grouping import compared
from nornir_tasks.plan import Plan
from nornir_tasks.steps import Options


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: ``devices`` (list of ids, all if empty) and ``ticket``. Check mode stops after the plan."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``changed``, ``devices_changed``; ``failed`` with every report. With --diff, show what changes."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            return result | self._act(from_environment(os.environ))
        except NetdrError as error:
            return result | {"failed": True, "msg": error.report()}

    def _act(self, context: Context) -> dict[str, Any]:
        where = placement.load(context.state, context.network.district)
        with engine.opened(context.network, where, context.secrets, context.state) as devices:
            change = devices.plan_change(self._task.args.get("devices", []))
            if self._task.diff:
                self._display.display(_diff(context, change), color=constants.COLOR_CHANGED)
            return {"changed": bool(change.changed), "devices_changed": list(change.changed)} | self._deploy(
                devices, change
            )

    def _deploy(self, devices: Engine, change: Plan) -> dict[str, Any]:
        if self._task.check_mode:
            return {}
        if change.changed:
            approval.demand(devices.network, change, None)
        report = devices.deploy(change, Options(ticket=self._task.args.get("ticket", "")))
        if not report.failures:
            return {"result": report.result}
        notes = [f"{device}: {report.devices[device].note}" for device in report.of("unknown")]
        words = [failure.report() for failure in report.failures]
        return {"failed": True, "result": report.result, "msg": "\n".join([*words, *notes])}


def _diff(context: Context, change: Plan) -> str:
    """Return what would change, identical changes once, as ``netdr plan`` shows it."""
    found = grouped(context.network, {device: change.devices[device].diff for device in change.changed})
    parts = []
    for number, group in enumerate(found):
        like = compared(group, found[:number])
        end = f" – like {like[0].devices[0]}, except" if like else ""
        parts.append(f"{' '.join(group.devices)}{end}:\n{like[1] if like else group.pattern}")
    return "\n".join(parts)
