"""pydantic's errors in an operator's words: the value, the rule, the known names. Values of secrets are never shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from inventory import entry, model
from inventory.source import Step
from netdr.kernel.errors import unknown

# What a text must look like, by the pattern of the model.
PHRASES: Mapping[str, str] = {
    entry.ID_PATTERN: "an id: lower-case letters, digits and single hyphens, beginning with a letter",
    entry.PORT_PATTERN: "a port such as tcp/443, udp/123 or icmp",
    entry.USER_PATTERN: "an SNMP user name: letters, digits, _ and -, beginning with a letter, at most 32",
    entry.KEY_PATTERN: "a public ssh key: a line of a .pub file, without options",
    entry.PATH_PATTERN: "an absolute path of letters, digits and ./_-",
    entry.CLOCK_PATTERN: "a time of day such as 08:00 or 23:30",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One refused value: the steps to it within its entry, the field's name, what is wrong, the rule it breaks."""

    steps: tuple[Step, ...]
    field: str
    what: str
    why: str = ""


def mistakes(kind: type[BaseModel], error: ValidationError) -> Iterator[Mistake]:
    """Given the error of validating a ``kind``, yield each mistake in the order of the model."""
    details = error.errors(include_url=False)
    for detail in details:
        # pydantic counts refused entries as absent: a list of one bad entry would also be "too short".
        inside = (other["loc"][: len(detail["loc"])] for other in details if other is not detail)
        if detail["type"] not in {"too_short", "too_long"} or detail["loc"] not in inside:
            yield _mistake(kind, detail)


def shown(value: object) -> str:
    """Return a value as it is named in a message: short, on one line, and without the content of containers."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, tuple):
        return "a list"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _mistake(kind: type[BaseModel], detail: ErrorDetails) -> Mistake:
    steps, value, context = tuple(detail["loc"]), detail["input"], detail.get("ctx", {})
    rule = detail["type"]
    if rule in {"missing", "extra_forbidden"}:
        holder, names = _follow(kind, steps[:-1])
        words = _missing(holder, steps[-1]) if rule == "missing" else _extra(holder, steps[-1])
        return Mistake(steps, ".".join(names), *words)
    field = ".".join(_follow(kind, steps)[1])
    if _secret(steps, context):
        what = "a secret is written as a reference: {secret: NAME}"
        return Mistake(steps, field, what, "the value belongs in the vault, never in the inventory")
    if rule in _KINDS:
        return Mistake(steps, field, f"{shown(value)} is not {_KINDS[rule]}")
    words = _SPECIAL[rule](value, context) if rule in _SPECIAL else (f"{shown(value)}: {detail['msg']}",)
    return Mistake(steps, field, *words)


_KINDS = {
    "int_type": "a whole number",
    "string_type": "text (write it in quotes)",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}


def _literal(value: object, context: Mapping[str, Any]) -> tuple[str, ...]:
    known = re.findall(r"'([^']*)'", context.get("expected") or context["expected_tags"])
    return (unknown("value", str(value if value is not None else "nothing"), known),)


def _pattern(value: object, context: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"{shown(value)} is not {PHRASES.get(context['pattern'], context['pattern'])}",)


def _long(value: object, context: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"{shown(value)} is too long", f"at most {context['max_length']} characters")


def _entries(_: object, context: Mapping[str, Any]) -> tuple[str, ...]:
    actual, bound = context["actual_length"], context.get("min_length", context.get("max_length"))
    word = "at least" if "min_length" in context else "at most"
    return (f"{actual} entries are given", f"{word} {bound}")


_SPECIAL: Mapping[str, Callable[[object, Mapping[str, Any]], tuple[str, ...]]] = {
    "greater_than_equal": lambda value, context: (f"{shown(value)} is too small", f"at least {context['ge']}"),
    "less_than_equal": lambda value, context: (f"{shown(value)} is too large", f"at most {context['le']}"),
    "literal_error": _literal,
    "union_tag_invalid": lambda _, context: _literal(context["tag"], context),
    "union_tag_not_found": lambda *_: ("key 'kind' is missing",),
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda *_: ("the text is empty",),
    "string_too_long": _long,
    "too_short": _entries,
    "too_long": _entries,
    "value_error": lambda value, context: (shown(value), str(context["error"])),
}


def _secret(steps: tuple[Step, ...], context: Mapping[str, Any]) -> bool:
    return context.get("class_name") == model.SecretRef.__name__ or steps[-1:] == ("secret",)


def _missing(holder: type[BaseModel] | None, step: Step) -> tuple[str, ...]:
    if isinstance(step, int):
        return (f"entry {step + 1} is missing",)
    needed = [name for name, field in holder.model_fields.items() if field.is_required()] if holder else []
    return f"key '{step}' is missing", f"needed: {', '.join(needed)}"


def _extra(holder: type[BaseModel] | None, step: Step) -> tuple[str, ...]:
    return (unknown("key", str(step), holder.model_fields if holder else ()),)


def _follow(kind: type[BaseModel], steps: tuple[Step, ...]) -> tuple[type[BaseModel] | None, tuple[str, ...]]:
    """Return the model that the steps lead to, if it is one, and the names of the fields on the way.

    pydantic adds steps that no one has written: the kind's name after a union of kinds, ``[key]`` after a key.
    """
    options: tuple[type[BaseModel], ...] = (kind,)
    names: list[str] = []
    for step in steps:
        if isinstance(step, int) or step == "[key]":
            continue
        if len(options) > 1:
            options = tuple(option for option in options if step in get_args(option.model_fields["kind"].annotation))
            continue
        names.append(step)
        field = options[0].model_fields.get(step) if options else None
        options = tuple(_models(field.annotation)) if field else ()
    return (options[0] if len(options) == 1 else None), tuple(names)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from _models(part)
