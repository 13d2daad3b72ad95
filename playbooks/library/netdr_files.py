"""Folders and files of one machine in one visit: with a visit each, most of the time goes into arriving."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: netdr_files
short_description: Folders and files as a whole
description: Makes folders, then files, each replaced at once if it says something else. Knows check mode and --diff.
options:
  folders: {description: Paths of folders., type: list, elements: str, default: []}
  files: {description: "Each with path, content, mode and owner.", type: list, elements: dict, default: []}
  owner: {description: The account and group of the folders., type: str, required: true}
  mode: {description: The mode of the folders., type: str, required: true}
"""

TEXT = {"type": "str", "required": True}
FILE = {"path": TEXT, "content": TEXT, "mode": TEXT, "owner": TEXT}


def main() -> None:
    """Return ``written``, the paths of the files that said something else, and one ``diff`` for each."""
    spec = {
        "folders": {"type": "list", "elements": "str", "default": []},
        "files": {"type": "list", "elements": "dict", "options": FILE, "default": []},
        "owner": TEXT,
        "mode": TEXT,
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    changed, diffs = False, []
    for path in module.params["folders"]:
        changed |= _folder(module, {"path": path, "owner": module.params["owner"], "mode": module.params["mode"]})
    for file in module.params["files"]:
        before = _text(file["path"])
        if before != file["content"]:
            diffs.append({"before": before, "after": file["content"], "before_header": file["path"]})
            _write(module, file)
        changed |= _attributes(module, file)
    written = [diff["before_header"] for diff in diffs]
    module.exit_json(changed=changed or bool(written), written=written, diff=diffs)


def _folder(module: AnsibleModule, folder: dict[str, str]) -> bool:
    new = not Path(folder["path"]).is_dir()
    if new and not module.check_mode:
        Path(folder["path"]).mkdir(parents=True)
    return _attributes(module, folder) or new


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="replace") if Path(path).exists() else ""


def _write(module: AnsibleModule, file: dict[str, str]) -> None:
    if module.check_mode:
        return
    number, fresh = tempfile.mkstemp(dir=Path(file["path"]).parent)
    with os.fdopen(number, "w", encoding="utf-8") as stream:
        stream.write(file["content"])
    module.atomic_move(fresh, file["path"])


def _attributes(module: AnsibleModule, item: dict[str, Any]) -> bool:
    if not Path(item["path"]).exists():
        return False
    wanted = {"path": item["path"], "owner": item["owner"], "group": item["owner"], "mode": item["mode"]}
    return bool(module.set_fs_attributes_if_different(module.load_file_common_arguments(wanted), changed=False))


if __name__ == "__main__":
    main()
