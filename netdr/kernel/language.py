"""Chinese or English, by the reader's locale. Both texts stand side by side where they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]


def language(environ: Mapping[str, str]) -> Language:
    """Return the reader's language from the POSIX locale variables, in their order of precedence."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(variable):
            return "zh" if environ[variable].lower().startswith("zh") else "en"
    return "en"
