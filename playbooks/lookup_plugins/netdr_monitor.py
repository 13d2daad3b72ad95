"""The configuration files of Prometheus and Alertmanager, as ``netdr monitor generate`` writes them."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from monitoring import prometheus
from netdr.cli.context import from_environment
from netdr.kernel.errors import NetdrError

DOCUMENTATION = """
name: netdr_monitor
short_description: Configuration files of Prometheus and Alertmanager
description: Returns the files of the district named by NETDR_INVENTORY, as netdr_files takes them.
options:
  folder: {description: Where they belong., type: str, required: true}
  owner: {description: Whom they belong to., type: str, required: true}
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """Takes no terms; nothing is decided here."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **options: str) -> list[dict[str, str]]:  # noqa: ARG002 - Ansible's
        """Return one file after the other. Raise AnsibleError with every mistake of the district."""
        try:
            made = prometheus.files(from_environment(os.environ).network)
        except NetdrError as error:
            raise AnsibleError(error.report()) from None
        common = {"owner": options["owner"], "mode": "0640"}
        return [{"path": f"{options['folder']}/{name}", "content": text, **common} for name, text in made.items()]
