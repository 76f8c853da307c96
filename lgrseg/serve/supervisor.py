"""Starts the web process and the workers, watches them, and starts them again."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from lgrseg.inference.run_files import run_files
from lgrseg.serve.job_store import CannotWrite
from lgrseg.serve.logs import log
from lgrseg.serve.presence import Presence
from lgrseg.serve.settings import Settings
from lgrseg.serve.stores import open_store
from lgrseg.serve.worker import EXIT_REPLACE

LOOK_SECONDS = 0.2
OTHERS_SECONDS = 5.0
"""Time between two looks for other supervisors that have ended."""
STOPPED = "the service was stopped"
LONGEST_PAUSE = 30.0
"""Seconds before a process that ends again and again is started once more."""
STABLE_SECONDS = 60.0
"""A process that lived so long had a good start."""
GRACE_SECONDS = 12.0


@dataclass
class Child:
    """A process of the service."""

    module: str
    name: str = ""
    process: subprocess.Popen | None = None
    started: float = 0.0
    failures: int = 0
    next_start: float = 0.0
    pids: list[int] = field(default_factory=list)


class Supervisor:
    """Keeps one web process and some workers alive."""

    def __init__(self, settings: Settings):
        """Prepare the processes; `run` starts them.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
        """
        self.settings = settings
        for run in (*settings.models.values(), settings.box_run):
            if run is not None:
                run_files(Path(run))
        self.store = open_store(settings)
        self.children = [Child("lgrseg.serve.web")]
        self.children += [Child("lgrseg.serve.worker") for _ in range(settings.workers)]
        self.lost: list[tuple[str, str]] = []
        """Dead workers whose jobs must be returned, and why they died."""
        self.presence = Presence(settings.data)
        self.stopping = False

    def run(self) -> int:
        """Watch the processes until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        next_look = 0.0
        try:
            while not self.stopping:
                with contextlib.suppress(CannotWrite):  # the next look will do it
                    self._return_lost()
                    if time.monotonic() >= next_look:
                        self._return_jobs_of_others()
                        next_look = time.monotonic() + OTHERS_SECONDS
                for child in self.children:
                    self._watch(child)
                time.sleep(LOOK_SECONDS)
        finally:
            self._end_all()
        return 0

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _return_jobs_of_others(self) -> None:
        """Return jobs whose supervisor was killed, or its machine; these attempts do not count."""
        for supervisor in self.presence.ended():
            count = self.store.return_jobs_of(f"{supervisor}-", STOPPED, max_attempts=None)
            self.presence.forget(supervisor)
            log("another supervisor has ended", jobs_returned=count)

    def _return_lost(self) -> None:
        """Return the jobs of dead workers."""
        while self.lost:
            name, reason = self.lost[0]
            most = self.settings.max_attempts
            count = self.store.return_jobs_of(name, reason, max_attempts=most)
            self.lost.pop(0)
            log("jobs returned", name=name, count=count)

    def _watch(self, child: Child) -> None:
        """Start a process that does not run."""
        process = child.process
        if process is not None and (status := process.poll()) is not None:
            self._ended(child, status)
        if child.process is None and time.monotonic() >= child.next_start:
            self._start(child)

    def _start(self, child: Child) -> None:
        words = [sys.executable, "-m", child.module, str(os.getpid())]
        if child.module.endswith("worker"):
            child.name = f"{self.presence.id}-{secrets.token_hex(4)}"
            words.append(child.name)
        environment = dict(os.environ)
        for name in [name for name in environment if name.startswith("LGRSEG_SERVE_")]:
            del environment[name]  # the token stays here
        if self.settings.threads:
            environment["OMP_NUM_THREADS"] = str(self.settings.threads)
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, env=environment, start_new_session=True
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(self.settings.model_dump_json().encode() + b"\n")
            process.stdin.close()
        child.process, child.started = process, time.monotonic()
        child.pids.append(process.pid)
        log("started", module=child.module, pid=process.pid, name=child.name)

    def _ended(self, child: Child, status: int) -> None:
        """Note that a process has ended, and plan its next start."""
        lived = time.monotonic() - child.started
        child.process = None
        reason = _reason(status)
        log("ended", module=child.module, name=child.name, reason=reason, seconds=round(lived, 1))
        if child.name:
            self.lost.append((child.name, reason))
        planned = status == EXIT_REPLACE or lived > STABLE_SECONDS
        child.failures = 0 if planned else child.failures + 1
        pause = 0.0 if child.failures <= 1 else min(LONGEST_PAUSE, 2.0 ** (child.failures - 2))
        child.next_start = time.monotonic() + pause

    def _end_all(self) -> None:
        running = [c for c in self.children if c.process is not None]
        for child in running:
            assert child.process is not None
            child.process.terminate()
        end = time.monotonic() + GRACE_SECONDS
        for child in running:
            assert child.process is not None
            try:
                child.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        with contextlib.suppress(CannotWrite):  # then the next supervisor returns the jobs
            self._return_lost()
            self.store.return_jobs_of(f"{self.presence.id}-", STOPPED, max_attempts=None)
            self.presence.forget(self.presence.id)


def _reason(status: int) -> str:
    if status == EXIT_REPLACE:
        return "out of memory"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
