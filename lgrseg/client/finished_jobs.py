"""What a client does with a finished job: results, beats, and the same clip again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lgrseg.client.connection import Connection
from lgrseg.client.records import Beats, Job, record_of
from lgrseg.client.result_files import chosen_results, write_result


class FinishedJobs:
    """The part of `Client` for jobs that have ended."""

    _service: Connection

    def result(self, job: Job, name: str) -> bytes:
        """Load a result file."""
        return self._service.call("GET", f"/v1/jobs/{job.id}/results/{name}").content

    def save_results(
        self, job: Job, output: str | Path, *, names: Sequence[str] | None = None
    ) -> list[Path]:
        """Write result files as OUTPUT/CLIP_NAME.

        Args:
            job: a finished job.
            output: folder of the files; it is made if it is missing.
            names: results to load; None for all but those for players.

        Returns:
            The files.

        Raises:
            ValueError: a file differs from what the service says of it.
        """
        return [
            write_result(Path(output), job, result, self.result(job, result.name))
            for result in chosen_results(job, names)
        ]

    def beats(self, job_id: str) -> Beats:
        """Get the measured and the corrected beats of a job."""
        return record_of(Beats, self._service.call("GET", f"/v1/jobs/{job_id}/beats").json())

    def correct_beats(self, job_id: str, frames: Sequence[tuple[int, int]] | None) -> Beats:
        """Correct beats.

        Args:
            job_id: a finished job.
            frames: end-diastolic and end-systolic frame of every beat; None takes all back.
        """
        beats = None if frames is None else [{"ed_frame": a, "es_frame": b} for a, b in frames]
        answer = self._service.call("PATCH", f"/v1/jobs/{job_id}/beats", json={"beats": beats})
        return record_of(Beats, answer.json())

    def prompts(self, job_id: str, boxes: Sequence[dict[str, Any]]) -> Job:
        """Segment the clip of a finished job again, from boxes; gives the new job.

        Args:
            job_id: a finished job.
            boxes: boxes as {"frame": 0, "box": [x0, y0, x1, y1], "class": "left_ventricle"}, in
                pixels of the clip.

        Raises:
            ServiceProblem: a box cannot be used, or the service has no model for boxes.
        """
        wish = {"boxes": list(boxes)}
        return record_of(
            Job, self._service.call("POST", f"/v1/jobs/{job_id}/prompts", json=wish).json()
        )

    def segment_again(self, job_id: str, *, model: str | None = None) -> Job:
        """Segment the clip of a finished job again, without another upload; gives the new job.

        Args:
            job_id: a finished job.
            model: name of a model, as in `Client.models`; None uses the first.

        Raises:
            ServiceProblem: the service has no such model.
        """
        wish = {"model": model} if model else {}
        answer = self._service.call("POST", f"/v1/jobs/{job_id}/again", params=wish)
        return record_of(Job, answer.json())
