"""Run a netdr verb that speaks JSON, exactly as the command line does, and return its value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# A backup of everything over a slow line may take hours; the verbs have limits of their own for each step.
LIMIT_S = 6 * 3600


class ActionModule(ActionBase):  # type: ignore[misc]
    """Arguments: ``verb`` and ``arguments``, lists of words. In check mode the command is only shown."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``changed`` and the JSON ``value``; ``failed`` with netdr's own words and exit code."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        words = [*self._task.args["verb"], *self._task.args.get("arguments", []), "--json"]
        shown = f"netdr {' '.join(words)}"
        if self._task.check_mode:
            return result | {"skipped": True, "msg": f"would run: {shown}"}
        netdr = Path(sys.executable).with_name("netdr")
        try:
            done = subprocess.run([netdr, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return result | {"failed": True, "msg": f"{shown} did not end within {LIMIT_S} s"}
        if done.returncode != 0:
            return result | {"failed": True, "msg": done.stderr.strip(), "rc": done.returncode}
        return result | {"changed": True, "value": json.loads(done.stdout)}
