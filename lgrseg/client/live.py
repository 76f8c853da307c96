"""Live streams of the client: frames go in, labels come out (docs/service.md, "Live streams").

with client.stream(480, 640) as live:
    live.send(frame)
    answer = live.receive()
"""

import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from lgrseg.client.errors import ServiceProblem, problem_of
from lgrseg.client.records import Problem, record_of

LOAD_SECONDS = 150.0
"""Longest time until a stream is ready: the service loads the model for its first client."""


@dataclass
class LiveAnswer:
    """The labels of one frame."""

    frame: int
    """Number of the frame, counted from 0."""
    latency_ms: float
    """Time from the last byte of the frame to its answer."""
    model_ms: float
    dropped: list[int]
    """Frames that were left out before this one, because newer ones had come."""
    labels: bytes = b""
    """One byte for each pixel, row by row: 0 for the background, k + 1 for class k."""


@dataclass
class LiveSummary:
    """A whole stream."""

    frames: int
    answered: int
    dropped: int
    frames_per_second: float
    latency_ms: dict[str, float] = field(default_factory=dict)
    """"p50", "p95" and "p99" -> percentile of the latency."""


class LiveStream:
    """One stream that has begun, see `Client.stream`."""

    def __init__(self, socket: ClientConnection, window: int):
        """Take the connection."""
        self._socket, self.window = socket, window

    def send(self, frame: Any) -> None:
        """Send a frame: bytes, or an array (H, W) or (H, W, 3) uint8."""
        self._socket.send(memoryview(frame).cast("B"))

    def receive(self) -> LiveAnswer | LiveSummary:
        """Wait for the next answer; the last one, after `end`, is the summary."""
        return answer_of(self._socket.recv())

    def end(self) -> None:
        """Say that no frame will follow; answers on their way can still be received."""
        self._socket.send("end")


class AsyncLiveStream:
    """The calls of `LiveStream` as coroutines."""

    def __init__(self, socket: AsyncConnection, window: int):
        """Take the connection."""
        self._socket, self.window = socket, window

    async def send(self, frame: Any) -> None:
        """Send a frame, see `LiveStream.send`."""
        await self._socket.send(memoryview(frame).cast("B"))

    async def receive(self) -> LiveAnswer | LiveSummary:
        """Wait for the next answer, see `LiveStream.receive`."""
        return answer_of(await self._socket.recv())

    async def end(self) -> None:
        """Say that no frame will follow."""
        await self._socket.send("end")


@contextmanager
def live_stream(http: httpx2.Client, hello: dict[str, Any]) -> Iterator[LiveStream]:
    """Begin a stream at the service of an HTTP client.

    Raises:
        ServiceProblem: the service refuses or ends the stream.
    """
    try:
        with connect(**_where(http)) as socket:
            socket.send(json.dumps(hello))
            yield LiveStream(socket, json.loads(socket.recv(LOAD_SECONDS))["window"])
    except (ConnectionClosed, InvalidStatus) as error:
        raise _problem(error) from error


@asynccontextmanager
async def async_live_stream(
    http: httpx2.AsyncClient, hello: dict[str, Any]
) -> AsyncIterator[AsyncLiveStream]:
    """Begin a stream, see `live_stream`."""
    try:
        async with connect_async(**_where(http)) as socket:
            await socket.send(json.dumps(hello))
            yield AsyncLiveStream(socket, json.loads(await socket.recv())["window"])
    except (ConnectionClosed, InvalidStatus) as error:
        raise _problem(error) from error


def answer_of(message: str | bytes) -> LiveAnswer | LiveSummary:
    """Read an answer of the service."""
    if isinstance(message, str):
        return record_of(LiveSummary, json.loads(message))
    (length,) = struct.unpack_from("<I", message)
    answer = record_of(LiveAnswer, json.loads(message[4 : 4 + length]))
    answer.labels = zlib.decompress(message[4 + length :])
    return answer


def _where(http: httpx2.Client | httpx2.AsyncClient) -> dict[str, Any]:
    token = http.headers.get("Authorization")
    address = str(http.base_url).rstrip("/").replace("http", "ws", 1) + "/v1/stream"
    return {
        "uri": address,
        "additional_headers": {"Authorization": token} if token else {},
        "max_size": None,
    }


def _problem(error: ConnectionClosed | InvalidStatus) -> ServiceProblem:
    """The reason why a stream was refused or has ended; its status is that of the WebSocket."""
    if isinstance(error, InvalidStatus):
        return problem_of(error.response.status_code, bytes(error.response.body or b""))
    code, reason = (error.rcvd.code, error.rcvd.reason) if error.rcvd else (1006, "")
    detail = reason or "the connection was lost"
    return ServiceProblem(Problem("stream_ended", "The stream has ended", detail, code))
