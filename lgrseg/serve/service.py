"""What the calls share: settings, table, folders, intake, counters."""

import functools
import time
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from lgrseg.client.records import Job, Problem, ResultFile
from lgrseg.serve.blobs import Blobs
from lgrseg.serve.corrections import ejection_of_job
from lgrseg.serve.intake_pool import IntakePool
from lgrseg.serve.job_store import DONE, EXPIRED, RUNNING, WAITING, JobStore, StoredJob
from lgrseg.serve.metrics import Metrics
from lgrseg.serve.problems import ServiceError
from lgrseg.serve.rate_limit import RateLimit
from lgrseg.serve.settings import Settings
from lgrseg.serve.stream_pool import StreamPool

ALIVE_SECONDS = 10.0
"""Age of a worker's last sign of life up to which it counts."""
DAY = 86400
NOT_CORRECTED = "report.dcm has the measured beats, not the corrected ones"


@dataclass
class Service:
    """One per web process."""

    settings: Settings
    store: JobStore
    blobs: Blobs
    intake: IntakePool
    streams: StreamPool
    metrics: Metrics
    rate: RateLimit
    uploads: int = 0
    """Uploads that are being received or decoded."""
    models: list[dict[str, Any]] = field(default_factory=list)
    """Models of the workers when they were last seen."""

    @functools.cached_property
    def clip_models(self) -> tuple[str, ...]:
        """Names of the models for clips; the first is the default."""
        return tuple(self.settings.models)

    @functools.cached_property
    def box_model(self) -> str | None:
        """Name of the model for boxes; None if there is none."""
        return self.settings.box_model

    def model_named(self, name: str | None) -> str:
        """The name of a model for clips; None for the default.

        Raises:
            ServiceError: 422 there is no such model.
        """
        if name is not None and name not in self.clip_models:
            detail = f"no model {name!r}; there are: {', '.join(self.clip_models)}"
            raise ServiceError(422, "no_such_model", detail)
        return name or self.clip_models[0]

    def job(self, request: Request, job_id: str) -> StoredJob:
        """Get a job of the client that asks.

        Raises:
            ServiceError: 404 it does not exist, or it is another client's.
        """
        found = self.store.get(job_id, owner=request.state.owner)
        if found is None:
            raise ServiceError(404, "not_found", "there is no such job")
        return found

    def finished_job(self, request: Request, job_id: str) -> StoredJob:
        """Get a job that has results.

        Raises:
            ServiceError: 404 no such job, 409 no results yet or ever, 410 results have expired.
        """
        job = self.job(request, job_id)
        if job.state == EXPIRED:
            raise ServiceError(
                410, "expired", f"results are kept for {self.settings.keep_days:g} days"
            )
        if job.state != DONE:
            more = {"job_error": job.problem} if job.problem else {}
            wait = 1.0 if job.state in (WAITING, RUNNING) else None
            detail = f"the job is {job.state}; there are results when it is done"
            raise ServiceError(409, "not_done", detail, retry_after=wait, **more)
        return job

    def view(self, job: StoredJob) -> Job:
        """Make the answer that describes a job."""
        base = f"/v1/jobs/{job.id}"
        meta, summary = job.meta, job.summary
        spacing = job.options.get("spacing_mm") or meta.get("spacing_mm")
        problem = job.problem if job.state == "failed" else None
        notes = list(summary.get("notes", meta.get("notes", [])))
        if job.corrections is not None and any(f["name"] == "report.dcm" for f in job.results):
            notes.append(NOT_CORRECTED)
        links = {"self": base, "events": f"{base}/events"}
        if job.state == DONE:
            links |= {name: f"{base}/results/{name}" for name in ("report.html",)}
            links["beats"] = f"{base}/beats"
        return Job(
            id=job.id,
            state=job.state,
            kind=job.kind,
            model=job.model,
            model_sha256=summary.get("model_sha256"),
            boxes=len(job.options.get("boxes", ())),
            name=job.name,
            stage=job.stage if self._has_model(job) else "no_model",
            progress=round(job.progress, 4),
            position=self.store.position(job) if job.state == WAITING else None,
            eta_seconds=_eta(job),
            attempt=job.attempt,
            parent=job.parent,
            frames=meta["shape"][0],
            size=meta["shape"][1:3],
            fps=job.options.get("fps") or meta.get("fps"),
            spacing_mm=spacing,
            format=meta["format"],
            created=job.created,
            started=job.started,
            finished=job.finished,
            expires=job.finished + self.settings.keep_days * DAY if job.finished else None,
            ejection_fraction=ejection_of_job(job),
            corrected=job.corrections is not None,
            notes=notes,
            doubts=summary.get("doubts", meta.get("doubts", [])),
            error=Problem(**problem) if problem else None,
            results=[ResultFile(**f, href=f"{base}/results/{f['name']}") for f in job.results],
            links=links,
        )

    def _has_model(self, job: StoredJob) -> bool:
        """False for a job that waits for a model which the service was started without."""
        return job.state != WAITING or job.model in (*self.clip_models, self.box_model)


def service_of(request: Request) -> Service:
    """The service of an app, for the calls."""
    return request.app.state.service


def _eta(job: StoredJob) -> float | None:
    if job.state != RUNNING or job.progress < 0.02 or job.started is None:
        return None
    return round((time.time() - job.started) * (1 / job.progress - 1), 1)
