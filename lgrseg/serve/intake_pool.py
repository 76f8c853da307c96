"""Starts the processes that decode uploads, and watches them."""

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
STATUS = {"too_large": 413, "unreadable": 422, "unsupported": 415, "disk_full": 507}
STARTING_SECONDS = 30.0
"""Time in which a process imports what it needs."""


class IntakePool:
    """Processes that decode one upload at a time, each in a fork."""

    def __init__(self, settings: Settings):
        """Set up the pool; a process starts when it is needed, or by `warm`."""
        self.settings = settings
        self._free: asyncio.LifoQueue[asyncio.subprocess.Process | None] = asyncio.LifoQueue()
        for _ in range(settings.intakes):
            self._free.put_nowait(None)

    async def warm(self) -> None:
        """Start every process now."""
        places = [self._free.get_nowait() for _ in range(self._free.qsize())]
        for place in places:
            self._free.put_nowait(place or await _start())

    async def close(self) -> None:
        """End the processes that wait."""
        while not self._free.empty():
            await _end(self._free.get_nowait())
            # Those that decode end with this process.

    async def decode(self, folder: Path, *, deidentify: bool = False) -> dict[str, Any]:
        """Decode the file `upload` of a folder, and return what is known of the clip.

        Args:
            folder: folder of the upload.
            deidentify: True to keep no personal data of a DICOM header.

        Raises:
            ServiceError: 413, 415 or 422 with the reader's sentence, or what happened to the child.
        """
        process, line = await self._free.get(), b""
        try:
            process = process or await _start()
            line = await self._ask(process, folder, deidentify)
        finally:
            if not line:  # it ended, or the client has left: its answer would be the next client's
                await _end(process)
                process = None
            self._free.put_nowait(process)
        reply = json.loads(line)
        if "status" in reply:
            raise _crash(reply["status"])
        if "code" in reply:
            code = reply["code"]
            raise ServiceError(STATUS[code], code, reply["detail"])
        return reply["meta"]

    async def _ask(
        self, process: asyncio.subprocess.Process, folder: Path, deidentify: bool
    ) -> bytes:
        """Send a request, and return the line that answers it.

        Raises:
            ServiceError: 422 it takes too long, 503 the process has ended.
        """
        assert process.stdin is not None and process.stdout is not None
        settings = self.settings
        request = {
            "folder": str(folder.resolve()),
            "seconds": settings.intake_seconds,
            "memory_bytes": settings.intake_memory_mb * MEBIBYTE,
            "decoded_bytes": settings.max_decoded_mb * MEBIBYTE,
            "frames": settings.max_frames,
            "frame_pixels": settings.max_frame_pixels,
            "deidentify": deidentify,
        }
        with contextlib.suppress(ConnectionError):
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
        try:
            async with asyncio.timeout(settings.intake_seconds + STARTING_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            raise _crash(-signal.SIGKILL) from None
        if not line:
            detail = "the process that decodes uploads has ended; it is started again"
            raise ServiceError(503, "no_intake", detail, retry_after=2)
        return line


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _start() -> asyncio.subprocess.Process:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "lgrseg.serve.intake",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # libraries print names and contents of files
        env=environment | one,
        limit=2**20,
    )


def _crash(status: int) -> ServiceError:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return ServiceError(422, "decoder_timeout", "decoding the clip takes too much time")
    if status == -signal.SIGXFSZ:
        return ServiceError(413, "too_large", "the clip is too large when it is decoded")
    name = signal.Signals(-status).name if status < 0 else f"status {status}"
    detail = f"the clip cannot be decoded: its decoder ended with {name}"
    return ServiceError(422, "decoder_crashed", detail)
