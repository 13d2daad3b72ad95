"""Make devices say what the inventory means: one transaction over all devices given, the same as ``netdr deploy``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from inventory import load, placement
from inventory import secrets as vault
from netdr.kernel.errors import NetdrError
from nornir_tasks import engine
from nornir_tasks.plan import Plan
from nornir_tasks.steps import Options


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: ``devices`` (list of ids, all if empty) and ``ticket``. Check mode stops after the plan."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``changed``, ``devices_changed`` and one ``diff`` per device; ``failed`` with every report."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            return result | self._deploy(list(self._task.args.get("devices", [])), self._task.args.get("ticket", ""))
        except NetdrError as error:
            return result | {"failed": True, "msg": error.report()}

    def _deploy(self, devices: list[str], ticket: str) -> dict[str, Any]:
        folder = Path(os.environ["NETDR_INVENTORY"])
        state = Path(os.environ.get("NETDR_STATE", folder / ".netdr"))
        network = load.network(folder)
        secrets = vault.load(state, vault.references(network.district))
        with engine.opened(network, placement.load(state, network.district), secrets, state) as fleet:
            change = fleet.plan_change(devices)
            if self._task.check_mode:
                return _result(change)
            report = fleet.deploy(change, Options(ticket=ticket))
        failed = {} if report.result in {"nothing", "done"} else {"failed": True}
        words = "\n".join(failure.report() for failure in report.failures)
        return _result(change) | failed | {"msg": words, "result": report.result}


def _result(change: Plan) -> dict[str, Any]:
    diffs = [{"prepared": f"{device}\n{change.devices[device].diff}"} for device in change.changed]
    return {"changed": bool(change.changed), "devices_changed": list(change.changed), "diff": diffs}
