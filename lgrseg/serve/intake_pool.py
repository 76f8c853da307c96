"""Starts the processes that decode uploads, ahead of time, and watches them."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from lgrseg.serve.problems import ServiceError
from lgrseg.serve.settings import MEBIBYTE, Settings

PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "LANG")
"""Variables that a child gets; no token, no setting."""
STATUS = {"too_large": 413, "unreadable": 422, "unsupported": 415}


class IntakePool:
    """Children that each decode one upload; the next ones wait with their imports done."""

    def __init__(self, settings: Settings):
        """Set up the pool; children are started when they are needed, or by `warm`."""
        self.settings = settings
        self._free = asyncio.Semaphore(settings.intakes)
        self._ready: list[asyncio.subprocess.Process] = []
        self._tasks: set[asyncio.Task] = set()

    async def warm(self) -> None:
        """Start a child for every place."""
        for _ in range(self.settings.intakes):
            self._ready.append(await _start())

    async def close(self) -> None:
        """End the children."""
        for task in self._tasks:
            task.cancel()
        for child in self._ready:
            child.kill()
            await child.wait()
        self._ready.clear()

    async def decode(self, folder: Path) -> dict[str, Any]:
        """Decode the file `upload` of a folder, and return what is known of the clip.

        Raises:
            ServiceError: 413, 415 or 422 with the reader's sentence, or what happened to the child.
        """
        async with self._free:
            child = self._ready.pop() if self._ready else await _start()
            try:
                async with asyncio.timeout(self.settings.intake_seconds):
                    line = await self._ask(child, folder)
            except TimeoutError:
                raise ServiceError(
                    422,
                    "decoder_timeout",
                    f"decoding the clip takes longer than {self.settings.intake_seconds:g} s",
                ) from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                status = await child.wait()
                self._replace()
        reply = _reply(line)
        if reply is None:
            raise _crash(status)
        if "code" in reply:
            code = reply["code"]
            raise ServiceError(STATUS[code], code, reply["detail"])
        return reply["meta"]

    async def _ask(self, child: asyncio.subprocess.Process, folder: Path) -> bytes:
        assert child.stdin is not None and child.stdout is not None
        settings = self.settings
        request = {
            "folder": str(folder.resolve()),
            "seconds": settings.intake_seconds,
            "memory_bytes": settings.intake_memory_mb * MEBIBYTE,
            "decoded_bytes": settings.max_decoded_mb * MEBIBYTE,
            "frames": settings.max_frames,
            "frame_pixels": settings.max_frame_pixels,
        }
        with contextlib.suppress(ConnectionError):
            child.stdin.write(json.dumps(request).encode() + b"\n")
            await child.stdin.drain()
        line = await child.stdout.readline()
        if not line:
            await child.wait()  # so that its own status is known, not that of our signal
        return line

    def _replace(self) -> None:
        """Start the next child, while the client is answered."""

        async def start() -> None:
            self._ready.append(await _start())

        if len(self._ready) + len(self._tasks) < self.settings.intakes:
            task = asyncio.create_task(start())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _start() -> asyncio.subprocess.Process:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lgrseg.serve.intake",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # decoders print names and contents of files
        env=environment | one,
        limit=2**20,
    )


def _reply(line: bytes) -> dict[str, Any] | None:
    try:
        reply = json.loads(line)
    except ValueError:
        return None
    return reply if isinstance(reply, dict) else None


def _crash(status: int) -> ServiceError:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return ServiceError(422, "decoder_timeout", "decoding the clip takes too much time")
    if status == -signal.SIGXFSZ:
        return ServiceError(413, "too_large", "the clip is too large when it is decoded")
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    detail = f"the clip cannot be decoded: its decoder ended with {name}"
    return ServiceError(422, "decoder_crashed", detail)
