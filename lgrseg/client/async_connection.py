"""The calls of `Connection` for asyncio."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2

from lgrseg.client.calls import (
    AGAIN,
    UPLOAD_SECONDS,
    EventReader,
    Upload,
    checked_url,
    headers_of,
    pause_before,
)
from lgrseg.client.errors import problem_of, unreachable
from lgrseg.client.records import Job


class AsyncConnection:
    """The connection of an `AsyncClient` with the service."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        retries: int,
        timeout: float,
        transport: httpx2.AsyncBaseTransport | None,
    ):
        """Set up the connection, see `Client`; nothing is sent yet.

        Raises:
            ValueError: the address has no scheme.
        """
        self.retries = retries
        self.http = httpx2.AsyncClient(
            base_url=checked_url(url),
            headers=headers_of(token),
            timeout=timeout,
            transport=transport,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def events(self, job_id: str) -> AsyncIterator[Job]:
        """Yield a job at every change, until it has ended; lost connections are made again."""
        reader, attempt = EventReader(), 0
        while True:
            headers = {"Last-Event-ID": reader.last_id} if reader.last_id else {}
            try:
                async with self.http.stream(
                    "GET", f"/v1/jobs/{job_id}/events", headers=headers
                ) as response:
                    if response.status_code != 200:
                        raise problem_of(response.status_code, await response.aread())
                    async for line in response.aiter_lines():
                        if (job := reader.read(line)) is not None:
                            attempt = 0
                            yield job
                            if job.has_ended:
                                return
            except httpx2.TransportError as lost:
                if attempt >= self.retries:
                    raise unreachable(lost, self.http.base_url) from lost
            await asyncio.sleep(pause_before(attempt))
            attempt += 1

    async def send(self, upload: Upload) -> httpx2.Response:
        """Send a file."""
        return await self.call(
            "POST",
            upload.address,
            upload=upload,
            params=upload.wishes,
            headers=upload.headers,
            timeout=UPLOAD_SECONDS,
        )

    async def call(
        self, method: str, address: str, *, upload: Upload | None = None, **how: Any
    ) -> httpx2.Response:
        """Call, and try again where that may help, see `Connection.call`."""
        for attempt in range(self.retries + 1):
            if upload is not None:
                how["content"] = _chunks(upload)
            last = attempt == self.retries
            try:
                response = await self.http.request(method, address, **how)
            except httpx2.TransportError as lost:
                if last:
                    raise unreachable(lost, self.http.base_url) from lost
                await asyncio.sleep(pause_before(attempt))
                continue
            if response.status_code < 400:
                return response
            error = problem_of(
                response.status_code, response.content, response.headers.get("Retry-After")
            )
            if last or response.status_code not in AGAIN:
                raise error
            await asyncio.sleep(pause_before(attempt, error.problem.retry_after))
        raise AssertionError("the last try returns or raises")


async def _chunks(upload: Upload) -> AsyncIterator[bytes]:
    parts = upload.chunks()
    while chunk := await asyncio.to_thread(next, parts, b""):
        yield chunk
