"""Live segmentation by WebSocket: frames in, labels and latency out.

At most two frames are in flight: one in the model, and the newest that came since. A frame that
waits when the next comes is dropped, and its number is in the next answer.
"""

import asyncio
import json
import statistics
import struct
import time
from collections import deque
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from lgrseg.serve.stream_pool import ModelProcess, StreamEnded

router = APIRouter()
KEPT = 10_000
"""Latencies of which percentiles are computed, the newest."""
MOST_BYTES = 2**24
"""Largest message."""
START_SECONDS = 120.0
"""Time in which the model is loaded."""
REFUSED, TOO_LARGE, ERROR, BUSY = 1008, 1009, 1011, 1013


class Hello(BaseModel):
    """The first message of a client."""

    height: int = Field(ge=16, le=8192)
    width: int = Field(ge=16, le=8192)
    channels: int = Field(1, ge=1, le=3)
    window: int = Field(64, ge=1, le=64, description="frames that the model sees, the newest last")

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, 3)."""
        return (self.height, self.width, 3) if self.channels == 3 else (self.height, self.width)

    @property
    def num_bytes(self) -> int:
        """Bytes of one frame."""
        return self.height * self.width * self.channels


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """Segment a stream, see docs/service.md."""
    await socket.accept()
    service = socket.app.state.service
    if not service.settings.streams:
        await socket.close(REFUSED, "the service has no streams: start it with --streams 1")
        return
    try:
        async with service.streams.process() as process:
            if process is None:
                await socket.close(BUSY, "all streams are busy")
                return
            await Stream(socket, process, service.settings.chunk_seconds).run()
    except WebSocketDisconnect:
        pass
    except Refused as error:
        await socket.close(error.code, str(error))
    except TimeoutError:
        await socket.close(REFUSED, "no frame came in time")
    except StreamEnded:
        await socket.close(ERROR, "the model's process ended; connect again")


class Refused(ValueError):
    """What a client sent cannot be used."""

    def __init__(self, text: str, code: int = REFUSED):
        """Say why."""
        super().__init__(text)
        self.code = code


class Stream:
    """One connection."""

    def __init__(self, socket: WebSocket, process: ModelProcess, seconds: float):
        """Prepare it; `run` serves it.

        Args:
            socket: an accepted connection.
            process: process of the model, for this connection alone.
            seconds: longest pause between two frames.
        """
        self.socket, self.process, self.seconds = socket, process, seconds
        self.waiting: tuple[int, float, bytes] | None = None
        self.news, self.ended = asyncio.Event(), False
        self.dropped: list[int] = []
        self.latencies: deque[float] = deque(maxlen=KEPT)
        self.count = self.num_dropped = self.num_answered = 0

    async def run(self) -> None:
        """Serve until the client ends the stream.

        Raises:
            Refused: a message cannot be used.
            TimeoutError: no frame came in time.
            StreamEnded: the model's process has ended.
        """
        hello = await self._hello()
        async with asyncio.timeout(START_SECONDS):
            begin = {"shape": hello.shape, "window": hello.window}
            head, _ = await self.process.ask({"begin": begin})
        await self.socket.send_json({"ready": True} | head)
        start = time.perf_counter()
        answering = asyncio.create_task(self._answer())
        reading = asyncio.create_task(self._read(hello.num_bytes))
        try:
            done, _ = await asyncio.wait((answering, reading), return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            reading.cancel()
            await _settle(answering)
        await self.socket.send_json(self.summary(time.perf_counter() - start))
        await self.socket.close()

    async def _hello(self) -> Hello:
        async with asyncio.timeout(self.seconds):
            message = await self.socket.receive()
        try:
            hello = Hello.model_validate_json(message.get("text") or "")
        except ValidationError as error:
            entry = error.errors()[0]
            where = ".".join(map(str, entry["loc"]))
            raise Refused(f"the first message: {where} {entry['msg']}"[:120]) from error
        if hello.num_bytes > MOST_BYTES:
            raise Refused(f"a frame has more than {MOST_BYTES} bytes", TOO_LARGE)
        return hello

    async def _read(self, num_bytes: int) -> None:
        """Take frames until the client says that it ends."""
        try:
            while True:
                async with asyncio.timeout(self.seconds):
                    message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code", 1000))
                content = message.get("bytes")
                if content is None:
                    return  # any text ends the stream
                if len(content) != num_bytes:
                    raise Refused(f"frame {self.count} has {len(content)} bytes, not {num_bytes}")
                if self.waiting is not None:
                    self.dropped.append(self.waiting[0])
                    self.num_dropped += 1
                self.waiting = self.count, time.perf_counter(), content
                self.count += 1
                self.news.set()
        finally:
            self.ended = True
            self.news.set()

    async def _answer(self) -> None:
        """Send the labels of the newest frame, again and again."""
        while True:
            await self.news.wait()
            self.news.clear()
            if self.waiting is not None:
                (number, came, content), self.waiting = self.waiting, None
                message = {"frame": number, "bytes": len(content)}
                head, labels = await self.process.ask(message, content)
                latency = 1000 * (time.perf_counter() - came)
                self.latencies.append(latency)
                self.num_answered += 1
                dropped, self.dropped = self.dropped, []
                answer = {
                    "frame": number,
                    "latency_ms": round(latency, 2),
                    "model_ms": head["model_ms"],
                    "dropped": dropped,
                }
                await self.socket.send_bytes(packed(answer, labels))
            if self.ended and self.waiting is None:
                return
            if self.waiting is not None:
                self.news.set()

    def summary(self, seconds: float) -> dict[str, Any]:
        """What is sent at the end: numbers of frames, and percentiles of the latency."""
        known = list(self.latencies)
        cuts = (
            statistics.quantiles(known, n=100, method="inclusive") if len(known) > 1 else known * 99
        )
        return {
            "frames": self.count,
            "answered": self.num_answered,
            "dropped": self.num_dropped,
            "frames_per_second": round(self.num_answered / seconds, 2),
            "latency_ms": {f"p{p}": round(cuts[p - 1], 2) for p in (50, 95, 99)} if cuts else {},
        }


def packed(head: dict[str, Any], labels: bytes) -> bytes:
    """One message: length of the head (unsigned 32 bits, little-endian), head as JSON, labels."""
    text = json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + labels


async def _settle(task: asyncio.Task) -> None:
    """End a task, so that no answer of the model is left on its way: it finishes its frame."""
    if not task.done():
        await asyncio.wait((task,), timeout=30)
    if not task.done():
        task.cancel()
    elif not task.cancelled():
        task.exception()  # the reader's error is the one that is reported
