"""Run the system's programs, always with a time limit, and turn what they say into errors."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence

from netdr.kernel.errors import LabError

LIMIT_S = 60.0


def run(
    argv: Sequence[str], *, text: str = "", limit_s: float = LIMIT_S, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program in a session of its own with ``text`` as its input, and return what it said.

    The session keeps the terminal's Ctrl-C from the nodes. Raise LabError with the program's own words if it fails
    (unless ``check`` is false) or does not end within ``limit_s`` seconds.
    """
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=limit_s, check=False, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {limit_s:.0f} s", where=" ".join(argv)) from None
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed", hint="netdr lab up names all that is missing") from None
    if check and done.returncode != 0:
        why = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"{argv[0]} failed", where=" ".join(argv), why=why)
    return done


def ip(commands: Iterable[str], *, namespace: str = "", force: bool = False) -> None:
    """Run a batch of ``ip`` commands in one process, in a named network namespace if one is given.

    Raise LabError with ip's words at the first that fails; with ``force`` all are tried and failures do not count.
    """
    inside = ["-netns", namespace] if namespace else []
    argv = ["ip", *inside, *(["-force"] if force else []), "-batch", "-"]
    run(argv, text="".join(f"{command}\n" for command in commands), check=not force)
