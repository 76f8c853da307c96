"""The processes that segment streams; each holds the model, and serves one connection at a time."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from lgrseg.serve.logs import log
from lgrseg.serve.settings import Settings


class StreamEnded(RuntimeError):
    """The process of a stream has ended."""


class ModelProcess:
    """One process, and whether it owes an answer."""

    def __init__(self, process: asyncio.subprocess.Process):
        """Take a started process."""
        self.process, self.owes = process, False

    async def ask(
        self, message: dict[str, Any], content: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Send a message, and return its answer and the bytes that follow it.

        Raises:
            StreamEnded: the process has ended.
        """
        source, target = self.process.stdout, self.process.stdin
        assert source is not None and target is not None
        self.owes = True
        try:
            target.write(json.dumps(message).encode() + b"\n" + content)
            await target.drain()
            head = json.loads(await source.readline())
            answer = head, await source.readexactly(head.get("bytes", 0))
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise StreamEnded("the process of the stream has ended") from error
        self.owes = False
        return answer

    def can_serve(self) -> bool:
        """True if it lives, and the next answer is that to the next message."""
        return self.process.returncode is None and not self.owes

    def end(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


class StreamPool:
    """As many processes as connections are allowed."""

    def __init__(self, settings: Settings):
        """Set up the pool; a process starts with its first connection."""
        self.settings = settings
        self._free: list[ModelProcess | None] = [None] * settings.streams

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[ModelProcess | None]:
        """A process for one connection, or None if all are busy."""
        if not self._free:
            yield None
            return
        process = self._free.pop()
        try:
            if process is None or not process.can_serve():
                process = await self._start()
            yield process
        finally:
            if process is not None and not process.can_serve():
                process.end()
                process = None
            self._free.append(process)

    async def _start(self) -> ModelProcess:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LGRSEG_SERVE_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lgrseg.serve.streamer"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        assert process.stdin is not None
        process.stdin.write(self.settings.model_dump_json().encode() + b"\n")
        log("started", module="lgrseg.serve.streamer", pid=process.pid)
        return ModelProcess(process)

    def close(self) -> None:
        """End the processes that no connection has; the others end with their input."""
        for process in self._free:
            if process is not None:
                process.end()
