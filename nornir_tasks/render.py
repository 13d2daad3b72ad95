"""What every device should say: intents turned into text by the platform's templates.

Each template gets one object, ``device`` (a ``DeviceIntent``), and two filters that reveal a secret by its name in the
vault. A device's text is the set of files netdr owns there (docs/architecture.md).
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType

from jinja2 import Environment, StrictUndefined, Template, TemplateError, TemplateSyntaxError

from inventory import platforms
from inventory.intent import DeviceIntent, device_intent, underlay
from inventory.network import Network
from inventory.platforms import PlatformSpec
from netdr.kernel.errors import Problems, RenderError, unknown
from netdr.kernel.secret import Secret
from nornir_tasks import snmp_keys
from nornir_tasks.drivers.linux_device import File, FormatError, dump

Secrets = Mapping[str, Secret]


def render(network: Network, device: str, placement: Mapping[str, str], secrets: Secrets) -> str:
    """Return everything ``device`` should say when each service is active where ``placement`` puts it.

    The text holds secrets in the clear. Raise UsageError if there is no such device, Problems with every template
    line that cannot be rendered.
    """
    return _render_each({device: device_intent(network, device, placement)}, secrets)[device]


def day0(network: Network, device: str, secrets: Secrets) -> str:
    """Return what ``device`` must say before netdr first reaches it: a part of what ``render`` returns.

    Raise as ``render`` does.
    """
    return _render_each({device: underlay(network, device)}, secrets, first=True)[device]


def render_all(network: Network, placement: Mapping[str, str], secrets: Secrets) -> Mapping[str, str]:
    """Return ``render`` of every device, by device. Raise Problems with the problems of all of them at once."""
    return _render_each({n.id: device_intent(network, n.id, placement) for n in network.devices}, secrets)


def _render_each(intents: Mapping[str, DeviceIntent], secrets: Secrets, *, first: bool = False) -> Mapping[str, str]:
    engine, texts = _Engine(secrets), dict[str, str]()
    # The same mistake in a template shows on every device that uses it: say it once, with the devices.
    mistakes = defaultdict[tuple[str, str, str, str], list[str]](list)
    for name, intent in intents.items():
        texts[name], errors = engine.device(intent, first=first)
        for error in errors:
            mistakes[error.what, error.where, error.why, error.hint].append(name)
    if mistakes:
        raise Problems(_on(names, *mistake) for mistake, names in mistakes.items())
    return texts


def _on(devices: Sequence[str], what: str, where: str, why: str, hint: str) -> RenderError:
    others = f" and {len(devices) - 1} more" if len(devices) > 1 else ""
    return RenderError(what, where=where, why=f"{why}{'; ' if why else ''}on {devices[0]}{others}", hint=hint)


class _Engine:
    """The templates over one vault."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        base = _environment()
        self._environment = base.overlay()
        self._environment.filters = base.filters | {"secret": self._secret, "localized": self._localized}
        self._templates: dict[Path, Template] = {}

    def device(self, intent: DeviceIntent, *, first: bool) -> tuple[str, Sequence[RenderError]]:
        """Return a device's text, empty if there are mistakes, and every mistake met on the way."""
        spec, texts, errors = platforms.platform(intent.platform), dict[str, str](), list[RenderError]()
        try:
            features = platforms.roles().features(intent.identity.role, day0=first)
        except RenderError as error:
            return "", [error]
        for feature in features:
            try:
                text = self._feature(spec.template(feature), intent)
            except RenderError as error:
                errors.append(error)
            else:
                path = spec.file_of[feature]
                texts[path] = texts.get(path, "") + text
        return ("", errors) if errors else _assembled(spec, texts)

    def _feature(self, path: Path, intent: DeviceIntent) -> str:
        if path not in self._templates:
            self._templates[path] = Template.from_code(self._environment, _compiled(path), {})
        try:
            return self._templates[path].render(device=intent)
        except RenderError as error:
            raise RenderError(error.what, where=_line_of(error, path), why=error.why, hint=error.hint) from error
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            hint = "templates know one name, 'device': inventory/intent/device.py says what it has"
            raise RenderError(str(error), where=_line_of(error, path), hint=hint) from error

    def _secret(self, name: str, longest: int | None = None) -> str:
        if name not in self._secrets:
            raise RenderError(unknown("secret", name, self._secrets), hint="netdr secrets check")
        value = self._secrets[name].reveal()
        if longest is not None and len(value) > longest:
            why = f"the platform takes at most {longest} characters and cuts off the rest without a word"
            raise RenderError(f"secret '{name}' has {len(value)} characters", why=why, hint="give it a shorter value")
        return value

    def _localized(self, name: str, protocol: str, engine_id: bytes, octets: int | None = None) -> str:
        return snmp_keys.localized(protocol, self._secret(name), engine_id)[:octets].hex()


def _assembled(spec: PlatformSpec, texts: Mapping[str, str]) -> tuple[str, Sequence[RenderError]]:
    """Return the set of files. One in which no feature has anything to say is not in it."""
    said = {path: text for path, text in texts.items() if text.strip()}
    try:
        return dump(File(path, spec.files[path].mode, spec.files[path].owner, said[path]) for path in said), ()
    except FormatError as error:
        return "", [RenderError("what the templates say is not a set of files", where=spec.where, why=str(error))]


@cache
def _environment() -> Environment:
    """Return the one environment. Its ``secret`` and ``localized`` only have the names: an engine brings its own."""
    environment = Environment(  # noqa: S701 - this is not HTML: an escaped '&' would be wrong
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.globals.clear()
    environment.filters |= dict.fromkeys(("secret", "localized"), str)
    return environment


@cache
def _compiled(path: Path) -> CodeType:
    try:
        return _environment().compile(path.read_text(encoding="utf-8"), path.stem, str(path))
    except OSError as error:
        raise RenderError("the template cannot be read", where=str(path), why=error.strerror or "") from error
    except TemplateSyntaxError as error:
        raise RenderError(error.message or "syntax error", where=f"{path}:{error.lineno}") from error


def _line_of(error: BaseException, template: Path) -> str:
    """Return ``template:line`` of the innermost line of the template on the way to the error."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(template)]
    return f"{template}:{lines[-1]}" if lines else str(template)
