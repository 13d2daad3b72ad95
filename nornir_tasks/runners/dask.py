"""A Dask cluster, for fleets that outgrow one machine: ``dask scheduler``, and ``dask worker --nthreads 64`` on each.

Every worker needs this netdr, the way to the devices, and the state folder's ``ssh`` at the same path. Configurations
travel to the workers, so what is not on this machine must speak TLS, both ends with certificates of the state folder's
``dask/ca.pem``. Imported only when asked for: ``distributed`` is an optional package.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from netdr.kernel.errors import MissingError, NetdrError, UnreachableError, UsageError
from nornir_tasks.runners import desk

try:
    from distributed import Client, Future, Security
except ImportError as error:
    raise MissingError(
        "the dask runner needs a package that is not installed",
        where="distributed",
        why=str(error),
        hint=".venv/bin/python -m pip install --require-hashes -r requirements.lock",
    ) from error

# Seconds that the scheduler has for an answer.
_LIMIT = 10.0
# Seconds that a worker has for its first answer: it loads the drivers' libraries then, perhaps on a busy machine.
_LOADING = 60.0
# Seconds between two questions to the scheduler which workers there are.
_FRESH = 0.5
# Replies that are fetched at once, and jobs that are sent at once: together some megabytes.
_BATCH = 64
_CERTIFICATES = {"tls_ca_file": "ca.pem", "tls_client_cert": "cert.pem", "tls_client_key": "key.pem"}


def connected(address: str, state: Path) -> Cluster:
    """Return the pool of a cluster's workers.

    Raise UsageError if it would be talked to in the clear over a network, MissingError without certificates,
    UnreachableError if the scheduler does not answer or has no worker.
    """
    security, at = _security(address, state), urlsplit(address)
    try:
        # Dask itself would try again and again until its time is over.
        socket.create_connection((at.hostname or "", at.port or 0), _LIMIT).close()
        client = Client(address, security=security, timeout=_LIMIT, set_as_default=False, name="netdr")
    except (OSError, ValueError) as error:
        hint = "is `dask scheduler` running there, and does it speak as the address says?"
        raise UnreachableError("no Dask scheduler answers", where=address, why=str(error), hint=hint) from error
    pool = Cluster(client, address)
    try:
        pool.workers()
    except NetdrError:
        pool.close()
        raise
    return pool


def _security(address: str, state: Path) -> Security | None:
    if not address.startswith("tls://"):
        _demand_local(address, "the scheduler")
        return None
    files = {option: str(state / "dask" / name) for option, name in _CERTIFICATES.items()}
    if missing := [path for path in files.values() if not Path(path).is_file()]:
        hint = "certificates of one authority for the scheduler, every worker and this controller"
        raise MissingError("no certificate for the cluster", where=", ".join(missing), hint=hint)
    return Security(**files, require_encryption=True)


def _demand_local(address: str, what: str) -> None:
    """Raise UsageError unless an address is encrypted or on this machine."""
    found = urlsplit(address)
    if found.scheme in {"tls", "inproc"} or _is_loopback(found.hostname or ""):
        return
    why = "configurations with their secrets would cross the network in the clear"
    raise UsageError(f"{what} is not on this machine and not encrypted", where=address, why=why, hint="use tls://…")


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class _Ear(threading.Thread):
    """Fetches one worker's replies. A thread for each, so that one whose worker died holds up no other."""

    def __init__(self, client: Client, into: queue.SimpleQueue[tuple[int, bytes | str]]) -> None:
        super().__init__(daemon=True)
        self._client, self._into = client, into
        self.ready: queue.SimpleQueue[tuple[int, Future[Any]] | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        """Fetch what is ready until told that it is over."""
        while (one := self.ready.get()) is not None:
            batch = [one]
            while len(batch) < _BATCH and not self.ready.empty() and (more := self.ready.get()) is not None:
                batch.append(more)
            for number, reply in self._fetched(batch):
                self._into.put((number, reply))

    def _fetched(self, batch: list[tuple[int, Future[Any]]]) -> list[tuple[int, bytes | str]]:
        try:
            replies = self._client.gather([future for _, future in batch])
            return [(number, reply) for (number, _), reply in zip(batch, replies, strict=True)]
        except Exception:  # noqa: BLE001 - whatever became of one of them: each is asked by itself
            return [(number, _result(future)) for number, future in batch]


def _result(future: Future[Any]) -> bytes | str:
    try:
        data: bytes = future.result(timeout=_LIMIT)
    except Exception as error:  # noqa: BLE001 - a worker's or the cluster's failure is the device's
        return type(error).__name__
    return data


class Cluster:
    """The pool of a cluster's workers, as far as they run this netdr."""

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address
        self._fleet = uuid.uuid4().hex
        self._ears: dict[str, _Ear] = {}
        self._futures: dict[int, tuple[str, Future[Any]]] = {}
        self._replies: queue.SimpleQueue[tuple[int, bytes | str]] = queue.SimpleQueue()
        self._present: frozenset[str] = frozenset()
        self._asked = 0.0
        # Workers that hung or run another netdr.
        self._barred: dict[str, str] = {}

    def workers(self) -> Sequence[str]:
        """See Pool. Raise UnreachableError if there is none that can be used, UsageError if one is not encrypted."""
        present = self._ask()
        for worker in present:
            _demand_local(worker, "a worker")
        for worker in set(self._ears) - present:
            self._forget(worker)
        self._enrol([worker for worker in present if worker not in self._ears and worker not in self._barred])
        usable = tuple(sorted(present & set(self._ears)))
        if not usable:
            barred = "; ".join(f"{worker}: {why}" for worker, why in self._barred.items())
            raise UnreachableError("the cluster has no worker", where=self._address, why=barred)
        return usable

    def send(self, worker: str, jobs: Mapping[int, bytes]) -> None:
        """See Pool."""
        futures = self._client.map(
            desk.do,
            [self._fleet] * len(jobs),
            list(jobs),
            list(jobs.values()),
            key=[f"netdr-{self._fleet}-{number}" for number in jobs],
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
            batch_size=_BATCH,
        )
        for number, future in zip(jobs, futures, strict=True):
            self._futures[number] = worker, future
            future.add_done_callback(lambda done, number=number, ear=self._ears[worker]: ear.ready.put((number, done)))

    def heard(self, limit: float) -> Sequence[tuple[int, bytes | str]]:
        """See Pool."""
        found = []
        with suppress(queue.Empty):
            found.append(self._replies.get(timeout=limit))
            while True:
                found.append(self._replies.get_nowait())
        for number, _ in found:
            self._futures.pop(number, None)
        return found

    def lost(self, workers: Collection[str]) -> Mapping[str, str]:
        """See Pool."""
        try:
            present = self._ask(_FRESH)
        except UnreachableError as failure:
            return dict.fromkeys(workers, str(failure))
        gone = {worker for worker in workers if worker not in present}
        for worker in gone:
            self._forget(worker)
        return dict.fromkeys(gone, "the scheduler has lost it")

    def abandon(self, worker: str) -> None:
        """See Pool. Its process is the cluster's, so it is only never used again."""
        self._barred[worker] = "it hung"
        self._forget(worker)

    def close(self) -> None:
        """See Pool."""
        with suppress(Exception):  # whoever is gone has closed them already
            self._ask()
            self._client.run(desk.release, self._fleet, workers=list(self._ears), callback_timeout=_LIMIT)
        for ear in self._ears.values():
            ear.ready.put(None)
        with suppress(Exception):
            self._client.close(timeout=_LIMIT if self._client.status == "running" else 1.0)

    def _ask(self, age: float = 0.0) -> frozenset[str]:
        """Return the addresses of the workers there are, as of ``age`` seconds ago at most.

        Raise UnreachableError if the scheduler does not answer. A client that connects anew has lost its jobs.
        """
        if time.monotonic() - self._asked > age:
            if self._client.status != "running":
                raise UnreachableError("the Dask scheduler is gone", where=self._address)
            try:
                self._present = frozenset(self._client.nthreads(callback_timeout=_LIMIT))
            except Exception as error:
                why = str(error) or type(error).__name__
                raise UnreachableError("the Dask scheduler does not answer", where=self._address, why=why) from error
            self._asked = time.monotonic()
        return self._present

    def _enrol(self, workers: Sequence[str]) -> None:
        if not workers:
            return
        asked = {"workers": list(workers), "on_error": "return", "callback_timeout": _LOADING}
        try:
            found = self._client.run(desk.enrol, self._fleet, **asked)
        except Exception as error:
            raise UnreachableError("a worker does not answer", where=self._address, why=str(error)) from error
        for worker, program in found.items():
            if program == desk.program():
                self._ears[worker] = _Ear(self._client, self._replies)
            else:
                self._barred[worker] = str(program) if isinstance(program, Exception) else "it runs another netdr"

    def _forget(self, worker: str) -> None:
        """Cancel a worker's jobs: nobody else may do them, and nobody waits for them any more."""
        if ear := self._ears.pop(worker, None):
            ear.ready.put(None)
        mine = [number for number, (at, _) in self._futures.items() if at == worker]
        futures = [self._futures.pop(number)[1] for number in mine]
        with suppress(Exception):
            self._client.cancel(futures, force=True)
