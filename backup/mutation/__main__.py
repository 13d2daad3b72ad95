"""``python -m backup.mutation ASSET [--json]``, on its DR host: print the table, fail if a damage was missed."""

from __future__ import annotations

import argparse
import json
import sys

from backup.machine import Machine, this_machine
from backup.mutation import table, trials
from backup.report import Steps
from netdr.kernel.errors import NetdrError, UsageError


def main(asset: str, machine: Machine | None, *, as_json: bool) -> int:
    """Try an asset's copy, print what was found and return the exit code."""
    if machine is None:
        raise UsageError("copies are tried on their DR host", hint="netdr backup status says which that is")
    (duty,) = machine.book.select([asset])

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    found = trials.tried(machine, duty, Steps(asset, tell))
    rows = [one.as_dict() for one in found]
    sys.stdout.write(json.dumps({"asset": asset, "rows": rows}, indent=2) + "\n" if as_json else table.text(rows))
    problems = trials.missed(found)
    for problem in problems:
        tell(f"netdr: {problem.report()}")
    return problems[0].exit_code if problems else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m backup.mutation", description=__doc__)
    parser.add_argument("asset")
    parser.add_argument("--json", action="store_true", help="print the result for programs")
    given = parser.parse_args()
    try:
        sys.exit(main(given.asset, this_machine(), as_json=given.json))
    except NetdrError as error:
        sys.stderr.write(f"netdr: {error.report()}\n")
        sys.exit(error.exit_code)
