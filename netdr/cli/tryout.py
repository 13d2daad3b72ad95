"""What ``netdr plan`` does about its options --twin, --sweep and --before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.sweep import Failure, failures
from netdr.cli import twintext
from netdr.cli.context import Context, print_json
from netdr.cli.twin import Base, Trial, rendered, tried
from netdr.kernel.errors import DriftError, UsageError, VerifyError
from nornir_tasks import plan as plans
from nornir_tasks.diff import digest
from nornir_tasks.plan import Observed, Plan


@dataclass(frozen=True)
class Wish:
    """A trial that is asked for, and what fails in it; of the plan in ``file`` if that was made elsewhere.

    ``before`` is the inventory that its devices were deployed from.
    """

    failures: tuple[Failure, ...]
    file: Path | None
    before: Path | None


def wish(context: Context, twin: str | None, sweep: str | None, before: Path | None) -> Wish | None:
    """Return what the options ask for, None if there is no --twin.

    Raise UsageError if they do not fit together or --sweep names something the network does not have.
    """
    if twin is None:
        if sweep is not None or before is not None:
            raise UsageError("--sweep and --before say how to try a plan", hint="netdr plan --twin")
        return None
    if bool(twin) != (before is not None):
        hint = "a plan of this machine's needs neither: netdr plan --twin"
        raise UsageError("a plan from elsewhere needs --twin PLAN and --before FOLDER", hint=hint)
    chosen = sweep.split(",") if sweep else []
    return Wish(failures(context.network, chosen), Path(twin) if twin else None, before)


def of_file(context: Context, asked: Wish, file: Path, *, as_json: bool) -> int:
    """Try the plan in a file, print how it went and return the exit code."""
    try:
        made = plans.parse(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise UsageError("the plan cannot be read", where=str(file), why=error.strerror or "") from error
    trial = tried(context, made, rendered(context, made, asked.before or Path()), asked.failures)
    if as_json:
        print_json({"plan": made.id, "twin": trial.as_dict()})
    else:
        twintext.show(context, trial)
    return exit_code(trial)


def of_plan(context: Context, asked: Wish, made: Plan, seen: Mapping[str, Observed]) -> Trial:
    """Try a plan that was made just now, from what every device runs.

    Raise DriftError if a device has changed since the plan was made.
    """
    for device, change in made.devices.items():
        if digest(seen[device].running) != change.running:
            raise DriftError("it has changed since the plan was made", where=device, hint="make the plan again")
    running = {device: observed.running for device, observed in seen.items()}
    return tried(context, made, Base("observed", running), asked.failures)


def exit_code(trial: Trial) -> int:
    """Return the exit code of a trial: 0, or that of a failed check."""
    return 0 if trial.ok else VerifyError.exit_code
