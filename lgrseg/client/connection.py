"""HTTP calls of the service; what fails for a moment is tried again."""

import time
from collections.abc import Iterator
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


class Connection:
    """The connection of a `Client` with the service."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        retries: int,
        timeout: float,
        transport: httpx2.BaseTransport | None,
    ):
        """Set up the connection, see `Client`; nothing is sent yet.

        Raises:
            ValueError: the address has no scheme.
        """
        self.retries = retries
        self.http = httpx2.Client(
            base_url=checked_url(url),
            headers=headers_of(token),
            timeout=timeout,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def call(
        self, method: str, address: str, *, upload: Upload | None = None, **how: Any
    ) -> httpx2.Response:
        """Call, and try again where that may help.

        Args:
            method: method of HTTP.
            address: path of the call.
            upload: file to send; it is read anew for every try. None for none.
            how: other arguments of httpx2's `request`.

        Raises:
            ServiceProblem: the service refuses the call.
        """
        for attempt in range(self.retries + 1):
            if upload is not None:
                how["content"] = upload.chunks()
            last = attempt == self.retries
            try:
                response = self.http.request(method, address, **how)
            except httpx2.TransportError as lost:
                if last:
                    raise unreachable(lost, self.http.base_url) from lost
                time.sleep(pause_before(attempt))
                continue
            if response.status_code < 400:
                return response
            error = problem_of(
                response.status_code, response.content, response.headers.get("Retry-After")
            )
            if last or response.status_code not in AGAIN:
                raise error
            time.sleep(pause_before(attempt, error.problem.retry_after))
        raise AssertionError("the last try returns or raises")

    def send(self, upload: Upload) -> httpx2.Response:
        """Send a file."""
        return self.call(
            "POST",
            upload.address,
            upload=upload,
            params=upload.wishes,
            headers=upload.headers,
            timeout=UPLOAD_SECONDS,
        )

    def events(self, job_id: str) -> Iterator[Job]:
        """Yield a job at every change, until it has ended; lost connections are made again."""
        reader, attempt = EventReader(), 0
        while True:
            headers = {"Last-Event-ID": reader.last_id} if reader.last_id else {}
            try:
                with self.http.stream(
                    "GET", f"/v1/jobs/{job_id}/events", headers=headers
                ) as response:
                    if response.status_code != 200:
                        raise problem_of(response.status_code, response.read())
                    for line in response.iter_lines():
                        if (job := reader.read(line)) is not None:
                            attempt = 0
                            yield job
                            if job.has_ended:
                                return
            except httpx2.TransportError as lost:
                if attempt >= self.retries:
                    raise unreachable(lost, self.http.base_url) from lost
            time.sleep(pause_before(attempt))
            attempt += 1
