"""Run a program on the services host, with a time limit and its own words when it fails."""

from __future__ import annotations

import subprocess

from netdr.kernel.errors import LabError, MissingError


def run(*argv: str, user: str | None = None, seconds: float = 30, text: str = "") -> str:
    """Run ``argv`` as ``user`` (default: the caller) with ``text`` on its input; return what it printed.

    Raise MissingError if there is no such program, LabError with its own words if it fails or takes too long.
    """
    try:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
        )
    except FileNotFoundError:
        raise MissingError(f"{argv[0]} is not installed", hint="./run setup") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {seconds:g} s", why=" ".join(argv)) from None
    if done.returncode != 0:
        raise LabError(f"{argv[0]} failed", why=(done.stderr or done.stdout).strip())
    return done.stdout
