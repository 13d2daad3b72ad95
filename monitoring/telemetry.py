"""What the exporter tells about itself: the only module that imports prometheus-client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from monitoring.snmp import Cause, SnmpError


class Telemetry:
    """The exporter's own metrics, named as snmp_exporter names its; ``snmp_target_failure`` is netdr's."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._seconds = Histogram(
            "snmp_collection_duration_seconds", "Time of one module's answer", ["module"], registry=self._registry
        )
        self._refused = Counter("snmp_request_errors", "Requests for something unknown", registry=self._registry)
        self._in_flight = Gauge("snmp_request_in_flight", "Scrapes being answered", registry=self._registry)
        self._failing = Gauge(
            "snmp_target_failure",
            "1 while the last scrape of a device failed",
            ["device", "cause"],
            registry=self._registry,
        )
        self._causes: dict[str, Cause] = {}

    def text(self) -> bytes:
        """Return the metrics in text exposition format."""
        return generate_latest(self._registry)

    def refused(self) -> None:
        """Count a request for an unknown target, module or user."""
        self._refused.inc()

    def collected(self, module: str, seconds: float) -> None:
        """Count one module's answer."""
        self._seconds.labels(module).observe(seconds)

    @contextmanager
    def scrape(self, device: str) -> Iterator[None]:
        """Count a scrape as in flight while it lasts, and keep what a device last failed of."""
        with self._in_flight.track_inprogress():
            try:
                yield
            except SnmpError as failure:
                self._outcome(device, failure.cause)
                raise
            self._outcome(device, None)

    def _outcome(self, device: str, cause: Cause | None) -> None:
        before = self._causes.pop(device, None)
        if before not in {None, cause}:
            self._failing.remove(device, before)
        if cause is not None:
            self._causes[device] = cause
            self._failing.labels(device, cause).set(1)
