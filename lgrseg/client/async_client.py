"""Client of the service for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import httpx2

from lgrseg.client.async_connection import AsyncConnection
from lgrseg.client.calls import Upload, wishes_of
from lgrseg.client.client import Watch
from lgrseg.client.errors import check_done
from lgrseg.client.records import Beats, ImageResult, Job, JobList, ModelList, record_of
from lgrseg.client.result_files import chosen_results, write_result

if TYPE_CHECKING:
    from lgrseg.client.live import AsyncLiveStream


class AsyncClient:
    """The calls of `Client` as coroutines."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8321",
        *,
        token: str | None = None,
        retries: int = 5,
        timeout: float = 30,
        transport: httpx2.AsyncBaseTransport | None = None,
    ):
        """Set up the connection, see `Client`."""
        self._service = AsyncConnection(
            url, token=token, retries=retries, timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def predict_clip(
        self,
        path: str | Path,
        *,
        output: str | Path | None = None,
        watch: Watch | None = None,
        **wishes: Any,
    ) -> Job:
        """Send a clip, wait for its results, and load them, see `Client.predict_clip`."""
        job = await self.wait((await self.submit(path, **wishes)).id, watch=watch)
        if output is not None:
            await self.save_results(job, output)
        return job

    async def predict_image(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        spacing_mm: float | Sequence[float] | None = None,
        deidentify: bool = False,
        model: str | None = None,
        wait: float = 30,
    ) -> ImageResult | Job:
        """Send one still image, see `Client.predict_image`."""
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
        response = await self._service.send(Upload(path, "/v1/images", wishes))
        if response.status_code == 200:
            return record_of(ImageResult, response.json())
        return record_of(Job, response.json())

    async def submit(
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
        """Send a clip without waiting for its results, see `Client.submit`."""
        path = Path(path)
        wishes = wishes_of(
            path, name=name, spacing_mm=spacing_mm, fps=fps, deidentify=deidentify, model=model
        )
        wishes["view"] = view
        upload = Upload(path, "/v1/clips", wishes, **({"key": key} if key else {}))
        return record_of(Job, (await self._service.send(upload)).json())

    async def wait(self, job_id: str, *, watch: Watch | None = None) -> Job:
        """Wait until a job is done, see `Client.wait`."""
        job = None
        async for job in self.events(job_id):
            if watch is not None:
                watch(job)
        return check_done(job or await self.job(job_id))

    def events(self, job_id: str) -> AsyncIterator[Job]:
        """Yield a job at every change, until it has ended; lost connections are made again."""
        return self._service.events(job_id)

    async def job(self, job_id: str) -> Job:
        """Get a job."""
        return record_of(Job, (await self._service.call("GET", f"/v1/jobs/{job_id}")).json())

    async def jobs(self, *, limit: int = 50, after: str | None = None) -> JobList:
        """List jobs, the newest first."""
        parameters = {"limit": limit} | ({"after": after} if after else {})
        answer = await self._service.call("GET", "/v1/jobs", params=parameters)
        return record_of(JobList, answer.json())

    async def models(self) -> ModelList:
        """Get the models and the limits of the service."""
        return record_of(ModelList, (await self._service.call("GET", "/v1/models")).json())

    async def delete(self, job_id: str) -> None:
        """Cancel a job, and delete everything of it as soon as it has ended."""
        for _ in range(300):
            if (await self._service.call("DELETE", f"/v1/jobs/{job_id}")).status_code == 204:
                return
            await asyncio.sleep(0.1)

    async def result(self, job: Job, name: str) -> bytes:
        """Load a result file."""
        return (await self._service.call("GET", f"/v1/jobs/{job.id}/results/{name}")).content

    async def save_results(
        self, job: Job, output: str | Path, *, names: Sequence[str] | None = None
    ) -> list[Path]:
        """Write result files, see `Client.save_results`."""
        return [
            write_result(Path(output), job, result, await self.result(job, result.name))
            for result in chosen_results(job, names)
        ]

    async def beats(self, job_id: str) -> Beats:
        """Get the measured and the corrected beats of a job."""
        answer = await self._service.call("GET", f"/v1/jobs/{job_id}/beats")
        return record_of(Beats, answer.json())

    async def correct_beats(self, job_id: str, frames: Sequence[tuple[int, int]] | None) -> Beats:
        """Correct beats, see `Client.correct_beats`."""
        beats = None if frames is None else [{"ed_frame": a, "es_frame": b} for a, b in frames]
        answer = await self._service.call(
            "PATCH", f"/v1/jobs/{job_id}/beats", json={"beats": beats}
        )
        return record_of(Beats, answer.json())

    async def prompts(self, job_id: str, boxes: Sequence[dict[str, Any]]) -> Job:
        """Segment a clip again from boxes, see `Client.prompts`."""
        wish = {"boxes": list(boxes)}
        answer = await self._service.call("POST", f"/v1/jobs/{job_id}/prompts", json=wish)
        return record_of(Job, answer.json())

    async def segment_again(self, job_id: str, *, model: str | None = None) -> Job:
        """Segment a clip again with a model, see `Client.segment_again`."""
        wish = {"model": model} if model else {}
        answer = await self._service.call("POST", f"/v1/jobs/{job_id}/again", params=wish)
        return record_of(Job, answer.json())

    def stream(
        self, height: int, width: int, *, channels: int = 1, window: int | None = None
    ) -> AbstractAsyncContextManager["AsyncLiveStream"]:
        """Segment frames as they come, see `Client.stream`."""
        from lgrseg.client.live import async_live_stream

        hello = {"height": height, "width": width, "channels": channels}
        hello |= {"window": window} if window else {}
        return async_live_stream(self._service.http, hello)
