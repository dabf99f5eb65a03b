"""What `GET /metrics` reports, in Prometheus' text format."""

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EXAMPLES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The metrics of one server. They contain no part of a request."""

    def __init__(self):
        """Register them in a registry of their own."""
        prometheus_client.disable_created_metrics()  # less text; Prometheus does not need them
        self._registry = registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        self._requests = Counter(
            "mtl_requests",
            "Requests, by route and HTTP status.",
            ["route", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "mtl_request_seconds",
            "From the end of a request's headers to the end of its handling.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram(
            "mtl_batch_examples", "Examples in a batch.", buckets=_EXAMPLES, registry=registry
        )
        self._version = Gauge("mtl_model_version", "Version that is served.", registry=registry)
        self.waiting = Gauge("mtl_waiting_examples", "Examples that wait.", registry=registry)
        self.connections = Gauge("mtl_connections", "Open connections.", registry=registry)

    def request(self, route: str, code: int, seconds: float) -> None:
        """Count a request; route: the pattern of its path, not the path."""
        self._requests.labels(route, str(code)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, examples: int) -> None:
        """Count a batch."""
        self._batches.observe(examples)

    def version(self, number: int) -> None:
        """Set the version of the model."""
        self._version.set(number)

    def text(self) -> bytes:
        """Return all metrics as text."""
        return prometheus_client.generate_latest(self._registry)
