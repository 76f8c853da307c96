"""Counters and times of the service for Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lgrseg.serve.job_store import JobStore

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
STATES = ("queued", "running", "done", "failed", "cancelled", "expired")


class Metrics:
    """What GET /metrics answers."""

    def __init__(self) -> None:
        """Make the counters, in a registry of their own."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lgrseg_requests",
            "Answered calls",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "lgrseg_request_seconds", "Time of a call", ("route",), registry=self.registry
        )
        self.bytes = Counter("lgrseg_upload_bytes", "Received bytes", registry=self.registry)
        self.jobs = Gauge(
            "lgrseg_jobs", "Jobs by state and model", ("state", "model"), registry=self.registry
        )
        self.models = Gauge(
            "lgrseg_model",
            "1 for every model of the ready workers",
            ("model", "purpose", "sha256"),
            registry=self.registry,
        )
        self.workers = Gauge("lgrseg_workers_ready", "Ready workers", registry=self.registry)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a call."""
        known = method if method in METHODS else "other"
        self.requests.labels(known, route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self, store: JobStore, models: Iterable[str]) -> bytes:
        """Write all values in Prometheus' format.

        Args:
            store: table of jobs.
            models: names of the models of the service.
        """
        ready = [worker for worker in store.workers(within=10) if worker.state == "ready"]
        self.workers.set(len(ready))
        self.models.clear()
        for model in (model for worker in ready for model in worker.models):
            self.models.labels(model["name"], model["purpose"], model["sha256"]).set(1)
        self.jobs.clear()
        counts = store.counts_by_model()
        for name in {name for _, name in counts} | set(models):
            for state in STATES:
                self.jobs.labels(state, name).set(counts.get((state, name), 0))
        return generate_latest(self.registry)
