"""Jobs and replies as bytes, for workers that are other processes.

A ``Secret`` refuses to be serialised everywhere else. Here, and only here, it may travel: to a process on this machine,
or over an encrypted connection to a worker of a cluster that is ours (``dask``).
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from netdr.kernel.errors import NetdrError
from netdr.kernel.secret import Secret
from nornir_tasks.runners.job import Reply


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - pickle's own signature
        """Let a secret travel as its value; everything else as it says itself."""
        return (Secret, (value.reveal(),)) if isinstance(value, Secret) else NotImplemented


def pack(value: object) -> bytes:
    """Return a value as bytes. Raise NetdrError if it cannot travel, which is a defect."""
    into = io.BytesIO()
    try:
        _Pickler(into, pickle.HIGHEST_PROTOCOL).dump(value)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        hint = "this is a defect in netdr; --runner threads does without"
        raise NetdrError("a step cannot be sent to another process", why=type(error).__name__, hint=hint) from error
    return into.getvalue()


def reply(value: Reply) -> bytes:
    """Return a reply as bytes; if what an action returned cannot travel, that is the reply."""
    try:
        return pack(value)
    except NetdrError as failure:
        return pack(Reply(value.device, failure=failure, seconds=value.seconds))


def unpack(data: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """Return the value that ``pack`` made these bytes of. Only for bytes of our own workers and controllers."""
    return pickle.loads(data)  # noqa: S301 - see above
