"""Jobs, as every process of the service sees them: the interface of the table of jobs.

A worker claims a job for a limited time, its lease. If it does not renew the lease, another worker
claims the job with a higher attempt number. What a worker writes is accepted only while its own
attempt is the present one, so a worker that was believed dead changes nothing (fencing).

An attempt is counted if the worker died, or failed, at this job. It is not counted if the service
was stopped, or if the job was paused when its worker died.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

WAITING, RUNNING, DONE, FAILED, CANCELLED, EXPIRED = (
    "queued",
    "running",
    "done",
    "failed",
    "cancelled",
    "expired",
)

PAUSED = "paused"
"""Stage of a running job while its worker runs a shorter one."""


class QueueFull(RuntimeError):
    """As many jobs wait as are allowed."""


class KeyReused(ValueError):
    """An idempotency key came again with other content."""


class CannotWrite(OSError):
    """The table cannot be written now; its errno is ENOSPC if the disk is full."""


class LeaseLost(RuntimeError):
    """The job belongs to another attempt, or is gone."""


class WorkerUnknown(LeaseLost):
    """The worker was never added, or its jobs were returned because it was found dead."""


@dataclass(frozen=True)
class NewJob:
    """A job that is added."""

    id: str
    owner: str
    kind: str
    model: str
    name: str
    meta: dict[str, Any]
    """What the intake found: frames, size, fps, spacing_mm, format, notes."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the client wants: boxes, deidentify."""
    parent: str | None = None
    key: str | None = None
    """Idempotency key."""
    fingerprint: str = ""
    """Hash of the request, for its key."""


@dataclass(frozen=True)
class StoredJob(NewJob):
    """A job in the table."""

    state: str = WAITING
    stage: str = ""
    progress: float = 0.0
    attempt: int = 0
    """Number of times that it was started."""
    counted: int = 0
    """Attempts that count."""
    worker: str | None = None
    lease_until: float = 0.0
    cancel: bool = False
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    problem: dict[str, Any] | None = None
    results: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    """What a list of jobs shows of the result: ejection_fraction, notes, doubts."""
    corrections: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Event:
    """One change of a job."""

    number: int
    state: str
    stage: str
    progress: float


@dataclass(frozen=True)
class Worker:
    """A worker's last sign of life."""

    name: str
    state: str
    """"loading" or "ready"."""
    seen: float
    models: list[dict[str, Any]]


class JobStore(Protocol):
    """The table of jobs."""

    def add(self, job: NewJob, *, max_queued: int) -> StoredJob:
        """Add a job; a job of the same owner and key is returned instead.

        Raises:
            QueueFull: as many jobs wait.
            KeyReused: the key's job has another fingerprint.
        """

    def find_key(self, owner: str, key: str) -> StoredJob | None:
        """Find the job of an idempotency key."""

    def get(self, job_id: str, *, owner: str | None = None) -> StoredJob | None:
        """Get a job; None if there is none, or it has another owner."""

    def jobs(self, *, owner: str, after: str | None, limit: int) -> list[StoredJob]:
        """List jobs of an owner, the newest first, beginning after a job."""

    def position(self, job: StoredJob) -> int:
        """Count the jobs that come before a waiting one."""

    def counts(self) -> dict[str, int]:
        """Count the jobs of every state."""

    def counts_by_model(self) -> dict[tuple[str, str], int]:
        """Count the jobs of every state and model."""

    def claim(
        self,
        worker: str,
        *,
        models: tuple[str, ...],
        lease: float,
        max_attempts: int,
        max_frames: int | None = None,
    ) -> StoredJob | None:
        """Give the next job of these models, and at most so many frames, to a worker.

        Jobs whose lease has ended are returned first. Raises WorkerUnknown.
        """

    def waits(self, models: tuple[str, ...], max_frames: int) -> bool:
        """True if a job of at most so many frames waits for one of these models."""

    def renew(self, job: StoredJob, *, lease: float) -> bool:
        """Extend the lease; True if the job shall be cancelled. Raises LeaseLost."""

    def progress(self, job: StoredJob, stage: str, progress: float) -> None:
        """Write the progress. Raises LeaseLost."""

    def finish(self, job: StoredJob, results: list[dict], summary: dict) -> None:
        """End a job as done. Raises LeaseLost."""

    def fail(self, job: StoredJob, problem: dict, *, max_attempts: int) -> bool:
        """Return a job to the queue, or end it after so many attempts. Raises LeaseLost.

        Returns:
            True if it has ended.
        """

    def end_cancelled(self, job: StoredJob) -> None:
        """End a claimed job as cancelled. Raises LeaseLost."""

    def return_jobs_of(self, workers: str, reason: str, *, max_attempts: int | None) -> int:
        """Return the jobs of dead workers to the queue, or fail them after so many attempts.

        The workers are removed: one that still runs gets no more jobs.

        Args:
            workers: name of a worker, or how the names of several begin.
            reason: what happened to them.
            max_attempts: attempts after which a job fails; None if this one does not count.

        Returns:
            The number of the jobs.
        """

    def cancel(self, job_id: str) -> str | None:
        """Cancel a waiting job, or ask the worker of a running one; gives the new state."""

    def correct(self, job_id: str, beats: list[dict] | None) -> None:
        """Store corrected beats of a job; None removes them."""

    def delete(self, job_id: str) -> None:
        """Remove a job from the table."""

    def expire(self, before: float) -> list[str]:
        """Mark ended jobs that finished before a time as expired; gives their names."""

    def ids(self) -> set[str]:
        """Names of the jobs that have files."""

    def events(self, job_id: str, after: int) -> list[Event]:
        """Changes of a job after a number."""

    def add_worker(self, worker: str) -> None:
        """Add a worker, which is loading its models."""

    def sign_of_life(self, worker: str, state: str, models: list[dict]) -> None:
        """Write that a worker lives. Raises WorkerUnknown."""

    def workers(self, *, within: float) -> list[Worker]:
        """Workers that gave a sign of life within so many seconds."""
