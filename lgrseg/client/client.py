"""Client of the service for ordinary programs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx2

from lgrseg.client.calls import Upload, wishes_of
from lgrseg.client.connection import Connection
from lgrseg.client.errors import check_done
from lgrseg.client.finished_jobs import FinishedJobs
from lgrseg.client.records import ImageResult, Job, JobList, ModelList, record_of

if TYPE_CHECKING:
    from lgrseg.client.live import LiveStream

Watch = Callable[[Job], None]


class Client(FinishedJobs):
    """Calls the service. Calls that fail for a moment are tried again; no clip is run twice."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8321",
        *,
        token: str | None = None,
        retries: int = 5,
        timeout: float = 30,
        transport: httpx2.BaseTransport | None = None,
    ):
        """Set up the connection; nothing is sent yet.

        Args:
            url: address of the service.
            token: token of the service; None if it has none.
            retries: further tries of a call that failed for a moment.
            timeout: longest wait for an answer in seconds; uploads may take longer.
            transport: another transport, for tests.
        """
        self._service = Connection(
            url, token=token, retries=retries, timeout=timeout, transport=transport
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def predict_clip(
        self,
        path: str | Path,
        *,
        output: str | Path | None = None,
        watch: Watch | None = None,
        **wishes: Any,
    ) -> Job:
        """Send a clip, wait for its results, and load them.

        Args:
            path: file of the clip.
            output: folder of the results; None to load none.
            watch: function that gets the job at every change, such as `ProgressBar`.
            wishes: `name`, `spacing_mm`, `fps`, `deidentify`, `view` and `model`, as in `submit`.

        Raises:
            ServiceProblem: the service refuses the clip.
            JobFailed: the job ended without results.
        """
        job = self.wait(self.submit(path, **wishes).id, watch=watch)
        if output is not None:
            self.save_results(job, output)
        return job

    def predict_image(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        spacing_mm: float | Sequence[float] | None = None,
        deidentify: bool = False,
        model: str | None = None,
        wait: float = 30,
    ) -> ImageResult | Job:
        """Send one still image; the settings are those of `submit`.

        Returns:
            Its masks; or its job, if it was not segmented within `wait` seconds.

        Raises:
            ServiceProblem: the service refuses the image.
        """
        path = Path(path)
        wishes = wishes_of(
            path,
            name=name,
            spacing_mm=spacing_mm,
            fps=None,
            deidentify=deidentify,
            model=model,
            wait=wait,
        )
        response = self._service.send(Upload(path, "/v1/images", wishes))
        if response.status_code == 200:
            return record_of(ImageResult, response.json())
        return record_of(Job, response.json())

    def submit(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        spacing_mm: float | Sequence[float] | None = None,
        fps: float | None = None,
        deidentify: bool = False,
        view: str = "unknown",
        model: str | None = None,
        key: str | None = None,
    ) -> Job:
        """Send a clip, and return its job without waiting for it.

        Args:
            path: file of the clip.
            name: name for display; None uses the name of the file.
            spacing_mm: millimetres between rows and between columns, or one number for both; None
                uses those of the file.
            fps: frames per second; None uses the rate of the file.
            deidentify: True for results without personal data, see docs/service.md.
            view: view of a DICOM clip, "A4C", "A2C" or "unknown", for its DICOM report.
            model: name of a model, as in `models`; None uses the first.
            key: idempotency key; None makes a new one.

        Raises:
            ServiceProblem: the service refuses the clip.
        """
        path = Path(path)
        wishes = wishes_of(
            path, name=name, spacing_mm=spacing_mm, fps=fps, deidentify=deidentify, model=model
        )
        wishes["view"] = view
        upload = Upload(path, "/v1/clips", wishes, **({"key": key} if key else {}))
        return record_of(Job, self._service.send(upload).json())

    def wait(self, job_id: str, *, watch: Watch | None = None) -> Job:
        """Wait until a job is done.

        Raises:
            JobFailed: it ended without results.
        """
        job = None
        for job in self.events(job_id):
            if watch is not None:
                watch(job)
        return check_done(job or self.job(job_id))

    def events(self, job_id: str) -> Iterator[Job]:
        """Yield a job at every change, until it has ended; lost connections are made again."""
        return self._service.events(job_id)

    def job(self, job_id: str) -> Job:
        """Get a job."""
        return record_of(Job, self._service.call("GET", f"/v1/jobs/{job_id}").json())

    def jobs(self, *, limit: int = 50, after: str | None = None) -> JobList:
        """List jobs, the newest first."""
        parameters = {"limit": limit} | ({"after": after} if after else {})
        return record_of(JobList, self._service.call("GET", "/v1/jobs", params=parameters).json())

    def models(self) -> ModelList:
        """Get the models and the limits of the service."""
        return record_of(ModelList, self._service.call("GET", "/v1/models").json())

    def delete(self, job_id: str) -> None:
        """Cancel a job, and delete everything of it as soon as it has ended."""
        for _ in range(300):
            if self._service.call("DELETE", f"/v1/jobs/{job_id}").status_code == 204:
                return
            time.sleep(0.1)

    def stream(
        self, height: int, width: int, *, channels: int = 1, window: int | None = None
    ) -> AbstractContextManager["LiveStream"]:
        """Segment frames as they come; the service needs --streams.

        Args:
            height: rows of a frame.
            width: columns of a frame.
            channels: 1 for grey frames, 3 for colour.
            window: number of frames that the model sees, the newest last; None for its own.

        Raises:
            ServiceProblem: the service refuses or ends the stream.
        """
        from lgrseg.client.live import live_stream

        hello = {"height": height, "width": width, "channels": channels}
        hello |= {"window": window} if window else {}
        return live_stream(self._service.http, hello)
