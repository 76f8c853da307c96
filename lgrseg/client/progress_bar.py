"""A line on the terminal that shows how far a job is."""

import sys
from typing import TextIO

from lgrseg.client.records import Job

WIDTH = 30


class ProgressBar:
    """Pass it as `watch`. On a file it writes a line when the stage changes."""

    def __init__(self, out: TextIO | None = None):
        """Write to `out`; None means the standard error."""
        self.out = out or sys.stderr
        self._stage = ""

    def __call__(self, job: Job) -> None:
        """Show a job."""
        stage = job.stage or job.state
        if not self.out.isatty():
            if stage != self._stage:
                print(f"{job.name or job.id}: {stage}", file=self.out, flush=True)
            self._stage = stage
            return
        filled = round(WIDTH * job.progress)
        left = "" if job.eta_seconds is None else f", {job.eta_seconds:.0f} s left"
        place = "" if job.position is None else f", {job.position} before it"
        bar = "#" * filled + "." * (WIDTH - filled)
        end = "\n" if job.has_ended else ""
        text = f"\r\033[K{job.name or job.id} [{bar}] {job.progress:4.0%} {stage}{place}{left}"
        print(text, end=end, file=self.out, flush=True)
