"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

import prometheus_client
from prometheus_client import exposition
from prometheus_client import process_collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self, count_waiting: Callable[[], int], count_held: Callable[[], int]) -> None:
        """Begin at 0.

        Args:
          count_waiting: gives the requests in the queue.
          count_held: gives the bytes of all bodies.
        """
        self.registry = registry = prometheus_client.CollectorRegistry()
        process_collector.ProcessCollector(registry=registry)
        self.requests = prometheus_client.Counter(
            "yolact_requests", "Requests that were answered.", ["endpoint", "status"], registry=registry
        )
        self.seconds = prometheus_client.Histogram(
            "yolact_request_seconds",
            "From the head of a request to the end of its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.received = prometheus_client.Counter(
            "yolact_received_bytes", "Bytes of bodies.", registry=registry
        )
        self.detections = prometheus_client.Counter(
            "yolact_detections", "Objects that were found.", ["model"], registry=registry
        )
        self.loads = prometheus_client.Counter(
            "yolact_model_loads", "Models that were loaded again.", ["model", "result"], registry=registry
        )
        waiting = prometheus_client.Gauge(
            "yolact_waiting_requests", "Requests in the queue.", registry=registry
        )
        waiting.set_function(count_waiting)
        held = prometheus_client.Gauge(
            "yolact_held_bytes", "Bytes of all bodies that are received or worked on.", registry=registry
        )
        held.set_function(count_held)

    def write(self) -> bytes:
        """Write all of them as Prometheus reads it."""
        return prometheus_client.generate_latest(self.registry)
