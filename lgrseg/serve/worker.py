"""A worker: holds the models, claims jobs, segments their clips. One process for each copy.

    python -m lgrseg.serve.worker PARENT NAME

PARENT is the process number of the supervisor; this process ends with it. The settings come as one
line of JSON on the standard input. After an error of memory the process ends with EXIT_REPLACE, and
the supervisor starts a fresh one.
"""

import errno
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lgrseg.failures import describe_error
from lgrseg.serve.blobs import Blobs, describe_files
from lgrseg.serve.job_store import PAUSED, CannotWrite, LeaseLost, StoredJob, WorkerUnknown
from lgrseg.serve.logs import log, start_logging
from lgrseg.serve.parent import end_with_parent
from lgrseg.serve.pauses import Pauses
from lgrseg.serve.reasons import explain
from lgrseg.serve.settings import MEBIBYTE, Settings
from lgrseg.serve.stores import open_store

EXIT_REPLACE = 75
"""Exit status after an out-of-memory error, whose memory may not come back."""
STEP = 0.01
"""Smallest change of progress that is written."""


class Cancelled(Exception):
    """The client does not want the job any more."""


class Worker:
    """Claims and runs jobs until the process ends."""

    def __init__(self, name: str, settings: Settings, parent: int):
        """Open the table and the folders; models are loaded by `load`.

        Args:
            name: name of the worker; it begins with the ID of its supervisor.
            settings: settings of the service.
            parent: process number of the supervisor.
        """
        self.name, self.settings, self.parent = name, settings, parent
        self.store = open_store(settings)
        self.blobs = Blobs(settings.data, min_free=settings.min_free_mb * MEBIBYTE)
        self.predictors: dict[str, Any] = {}
        self.models: list[dict[str, Any]] = []
        self.state = "loading"
        self.held: dict[str, StoredJob] = {}
        """Claimed jobs: one that runs, and those that are paused for it."""
        self.stopped: dict[tuple[str, int], Exception] = {}
        """Job and attempt -> why it shall end."""
        self.replace = False
        """True if this process must be replaced."""
        self.store.add_worker(name)
        threading.Thread(target=self._stay_alive, daemon=True).start()

    def load(self) -> None:
        """Load the models."""
        from lgrseg.serve.models import load_models

        self.predictors, self.models = load_models(self.settings)
        self.state = "ready"
        self.store.sign_of_life(self.name, self.state, self.models)
        log("worker ready", worker=self.name, models=list(self.predictors))

    def _stay_alive(self) -> None:
        """Renew the lease, and give signs of life; runs in a thread."""
        while os.getppid() == self.parent:
            time.sleep(min(1.0, self.settings.lease_seconds / 6))
            try:
                self.store.sign_of_life(self.name, self.state, self.models)
                for job in list(self.held.values()):
                    self._renew(job)
            except WorkerUnknown:
                break
            except Exception as error:  # a full disk or a busy table: the lease may still be valid
                log("sign of life failed", worker=self.name, error=type(error).__name__)
        os._exit(1)  # the supervisor is gone

    def _renew(self, job: StoredJob) -> None:
        try:
            if self.store.renew(job, lease=self.settings.lease_seconds):
                self.stopped[job.id, job.attempt] = Cancelled()
        except LeaseLost as error:
            self.stopped[job.id, job.attempt] = error

    def run(self) -> int:
        """Run jobs; returns the exit status when the process must be replaced, or was given up."""
        while not self.replace:
            try:
                if not self._run_next():
                    time.sleep(0.1)
            except WorkerUnknown:
                return 1
            except CannotWrite as error:
                log("the table cannot be written", worker=self.name, number=error.errno)
                time.sleep(1)
        return EXIT_REPLACE

    def _run_next(self, max_frames: int | None = None) -> bool:
        """Claim a job of at most so many frames, and run it; False if there is none."""
        job = self.store.claim(
            self.name,
            models=tuple(self.predictors),
            lease=self.settings.lease_seconds,
            max_attempts=self.settings.max_attempts,
            max_frames=max_frames,
        )
        if job is None:
            return False
        self.held[job.id] = job
        try:
            self._run_job(job)
        except LeaseLost:
            log("lease lost", job=job.id, attempt=job.attempt)
        finally:
            del self.held[job.id]
            self.stopped.pop((job.id, job.attempt), None)
        return True

    def _run_job(self, job: StoredJob) -> None:
        """Run one job to its end."""
        start = time.time()
        try:
            self.blobs.check_space()
            output = self.blobs.new_results(job.id, job.attempt)
            summary = self._predict(job, output)
            files = describe_files(output)
            patiently(lambda: self.store.finish(job, files, summary))
            log("job done", job=job.id, attempt=job.attempt, seconds=round(time.time() - start, 2))
        except (Cancelled, LeaseLost) as error:
            self._remove(job)
            if isinstance(error, LeaseLost):
                raise
            self.store.end_cancelled(job)
            self.blobs.delete(job.id)
            log("job cancelled", job=job.id)
        except Exception as error:  # any error ends this job only
            self._remove(job)
            problem, again, replace = explain(error)
            log("job failed", job=job.id, code=problem["code"], error=type(error).__name__)
            self.replace |= replace
            most = self.settings.max_attempts if again else 0
            if self._fail(job, problem, most):
                self.blobs.delete(job.id)

    def _fail(self, job: StoredJob, problem: dict[str, str], most: int) -> bool:
        """Write why a job failed; if the disk is full, as soon as it has space."""
        while True:
            try:
                return self.store.fail(job, problem, max_attempts=most)
            except CannotWrite:
                time.sleep(1)

    def _predict(self, job: StoredJob, output: Path) -> dict[str, Any]:
        from lgrseg.serve.pipeline import run_job

        written, pauses = 0.0, Pauses(job.meta["shape"][0])

        def report(stage: str, progress: float) -> None:
            nonlocal written
            if (error := self.stopped.get((job.id, job.attempt))) is not None:
                raise error
            if pauses.is_due():
                self._give_way(job, stage, progress, pauses)
            if progress >= written + STEP:
                written = progress
                patiently(lambda: self.store.progress(job, stage, progress))

        folder = self.blobs.folder(job.id)
        predictor = self.predictors[job.model]
        digest = next(model["sha256"] for model in self.models if model["name"] == job.model)
        return run_job(predictor, digest, job, folder, output, report)

    def _give_way(self, job: StoredJob, stage: str, progress: float, pauses: Pauses) -> None:
        """Run one shorter job that waits, if there is one, while this job is paused."""
        with pauses.measured():
            if self.replace or not self.store.waits(tuple(self.predictors), pauses.max_frames):
                return
            self.store.progress(job, PAUSED, progress)
            try:
                self._run_next(pauses.max_frames)
            finally:
                self.store.progress(job, stage, progress)

    def _remove(self, job: StoredJob) -> None:
        shutil.rmtree(self.blobs.results(job.id, job.attempt), ignore_errors=True)


def patiently(write: Callable[[], None]) -> None:
    """Write to the table as soon as it answers: a database that starts again ends no job.

    Raises:
        CannotWrite: the disk is full.
        LeaseLost: meanwhile the job was given to another worker.
    """
    while True:
        try:
            return write()
        except CannotWrite as error:
            if error.errno != errno.EBUSY:
                raise
            time.sleep(1)


def main() -> int:
    """Run a worker with the settings of the standard input."""
    parent = int(sys.argv[1])
    end_with_parent(parent, signal.SIGKILL)
    start_logging()
    settings = Settings.model_validate_json(sys.stdin.readline())
    worker = Worker(sys.argv[2], settings, parent)
    try:
        worker.load()
    except Exception as error:  # a run of the user can be wrong in any way
        log("the model cannot be loaded", error=describe_error(error))
        return 1
    return worker.run()


if __name__ == "__main__":
    sys.exit(main())
