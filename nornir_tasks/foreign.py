"""Other people's exceptions as ours: the one table, used where a device's failure becomes a value."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import paramiko
from napalm.base import exceptions as napalm
from netmiko import exceptions as netmiko

from netdr.kernel.errors import BusyError, FencedError, NetdrError, Problems, RefusedError, UnreachableError
from nornir_tasks.drivers.linux import FencedException
from nornir_tasks.drivers.linux_device import FormatError

_LOG = logging.getLogger(__name__)

_KEY = "if the device was replaced, pin its new key in known_hosts of the state folder; if not, find out who answers"
_LOGIN = "is the account's public key on the device? It is rendered from management.authorized_key"
_PATH = "is the device powered, and the way to its loopback up? `netdr inventory show DEVICE` lists its links"

# The first row that matches counts, so the special stand before the general: (exception, ours, what happened, hint).
TABLE: tuple[tuple[type[BaseException], type[NetdrError], str, str], ...] = (
    (paramiko.BadHostKeyException, UnreachableError, "its host key is not the pinned one", _KEY),
    (paramiko.AuthenticationException, UnreachableError, "it refuses netdr's key", _LOGIN),
    (napalm.ConnectAuthError, UnreachableError, "it refuses netdr's key", _LOGIN),
    (napalm.ConnectTimeoutError, UnreachableError, "no answer in time", _PATH),
    (napalm.CommandTimeoutException, UnreachableError, "no answer in time", _PATH),
    (netmiko.NetmikoTimeoutException, UnreachableError, "no answer in time", _PATH),
    (netmiko.ReadTimeout, UnreachableError, "no answer in time", _PATH),
    (napalm.UnsupportedVersion, RefusedError, "its program is not this netdr's", ""),
    (napalm.ConnectionException, UnreachableError, "the connection failed", _PATH),
    (napalm.ReplaceConfigException, RefusedError, "it refuses the configuration", ""),
    (napalm.MergeConfigException, RefusedError, "it refuses the configuration", ""),
    (napalm.CommitError, RefusedError, "it could not apply the configuration", ""),
    (napalm.CommitConfirmException, RefusedError, "its confirmed commit failed", ""),
    (FencedException, FencedError, "another change has taken it over", ""),
    (napalm.LockError, BusyError, "somebody else is configuring it", ""),
    (napalm.SessionLockedException, BusyError, "somebody else is configuring it", ""),
    (napalm.CommandErrorException, RefusedError, "it refuses a command", ""),
    (napalm.NapalmException, RefusedError, "its driver failed", ""),
    (FormatError, RefusedError, "its configuration is not a set of files", ""),
    (paramiko.SSHException, UnreachableError, "the connection failed", _PATH),
    (TimeoutError, UnreachableError, "no answer in time", _PATH),
    (OSError, UnreachableError, "the connection failed", _PATH),
    (EOFError, UnreachableError, "it closed the connection", _PATH),
    (NotImplementedError, RefusedError, "its driver cannot do this", ""),
)


def explain(error: Exception, device: str, redact: Callable[[str], str]) -> NetdrError:
    """Given what a device's driver raised, return it as ours, about that device and without secrets.

    An exception nobody expected is a defect of netdr: it is logged with its trace, and without its text, which may hold
    part of a configuration.
    """
    if isinstance(error, Problems):
        return Problems(explain(problem, device, redact) for problem in error.problems)
    if isinstance(error, NetdrError):
        return type(error)(redact(error.what), where=error.where or device, why=redact(error.why), hint=error.hint)
    for foreign, ours, what, hint in TABLE:
        if isinstance(error, foreign):
            return ours(what, where=device, why=redact(str(error)), hint=hint)
    _LOG.error("%s: %s\n%s", device, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return NetdrError(f"an unexpected {type(error).__name__}", where=device, hint="this is a defect in netdr")
