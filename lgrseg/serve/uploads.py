"""Receives the body of an upload: every byte is counted, and every pause has a limit.

Starlette's own UploadFile has no bound: it stores a file of any size before a handler runs.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from lgrseg.serve.problems import ServiceError

LONGEST_HEADER = 8192
"""Most bytes of the headers of one part of a form."""


@dataclass
class Received:
    """A stored upload."""

    size: int
    sha256: str
    name: str = ""
    """Name of the file as the client wrote it, for display only."""


class FilePart:
    """Takes the file out of a form (multipart/form-data), which has nothing else."""

    def __init__(self, boundary: bytes):
        """Set up the parser for a boundary, which separates the parts."""
        self.name, self.found = "", False
        self._inside, self._chunks = False, []  # type: ignore[var-annotated]
        self._header, self._value, self._bytes = b"", b"", 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._field,
                "on_header_value": self._on_value,
                "on_header_end": self._header_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> bytes:
        """Parse a chunk, and return the bytes of the file in it.

        Raises:
            MultipartParseError: the form is damaged.
        """
        self._parser.write(chunk)
        data = b"".join(self._chunks)
        self._chunks.clear()
        return data

    def _begin(self) -> None:
        self._header, self._value, self._bytes = b"", b"", 0

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._count(end - start)

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._count(end - start)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > LONGEST_HEADER:
            raise MultipartParseError("the headers of a part are too long")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if b"filename" not in options:
                raise ServiceError(400, "bad_form", field_refused(options.get(b"name", b"")))
            if self.found:
                raise ServiceError(400, "bad_form", "the form has several files: send one a call")
            self.name = options[b"filename"].decode("utf-8", "replace")
            self._inside = self.found = True
        self._header, self._value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._chunks.append(data[start:end])

    def _end(self) -> None:
        self._inside = False


def check_announced(request: Request, most: int) -> int:
    """Check the size that a client announces; it may be false, so bytes are counted later.

    Args:
        request: the request of an upload.
        most: largest number of bytes.

    Returns:
        The announced size in bytes; 0 if there is none.

    Raises:
        ServiceError: 413 it is too large.
    """
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isdecimal() else 0
    if size > most + LONGEST_HEADER:
        raise too_large(most)
    return size


async def receive(
    request: Request, path: Path, *, most: int, chunk_seconds: float, total_seconds: float
) -> Received:
    """Write the file of a request, which is its whole body or one part of a form.

    Args:
        request: the request, whose body was not read.
        path: file to write.
        most: largest number of bytes.
        chunk_seconds: longest pause.
        total_seconds: longest time altogether.

    Raises:
        ServiceError: 400 a damaged form or a lost connection, 408 too slow, 413 too large.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = None
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary", b"")
        if not 0 < len(boundary) <= 256:
            raise ServiceError(400, "bad_form", "the form has no boundary in its Content-Type")
        form = FilePart(boundary)
    digest, size, counted = hashlib.sha256(), 0, 0
    try:
        async with asyncio.timeout(total_seconds):
            with path.open("wb") as file:
                async for chunk in _chunks(request, chunk_seconds):
                    counted += len(chunk)
                    if counted > most + (4 * LONGEST_HEADER if form else 0):
                        raise too_large(most)
                    data = form.feed(chunk) if form else chunk
                    size += len(data)
                    if size > most:
                        raise too_large(most)
                    digest.update(data)
                    if data:
                        await asyncio.to_thread(file.write, data)
    except TimeoutError:
        raise ServiceError(
            408,
            "too_slow",
            f"the upload paused for {chunk_seconds:g} s, or took {total_seconds:g} s",
        ) from None
    except ClientDisconnect:
        raise ServiceError(400, "incomplete", "the connection ended within the upload") from None
    except MultipartParseError as error:
        raise ServiceError(400, "bad_form", f"the form is damaged: {error}") from None
    if form is not None and not form.found:
        raise ServiceError(400, "bad_form", "the form has no file: send one part with a filename")
    if size == 0:
        raise ServiceError(400, "empty", "the upload is empty")
    return Received(size, digest.hexdigest(), form.name if form else "")


async def _chunks(request: Request, seconds: float) -> AsyncIterator[bytes]:
    stream = request.stream().__aiter__()
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        yield chunk


def field_refused(name: bytes) -> str:
    """Why a form with a field is refused: as a setting it would not be honoured."""
    shown = shown_name(name.decode("utf-8", "replace"))
    return (
        f"the form has the field {shown!r} beside its file: settings are part of the address, such "
        "as /v1/clips?deidentify=true, and a file has a filename"
    )


def too_large(most: int) -> ServiceError:
    """The answer to an upload that is too large."""
    detail = f"the upload has more than {most} bytes ({most // 2**20} MiB), the limit here"
    return ServiceError(413, "too_large", detail, limit_bytes=most)


def shown_name(name: str) -> str:
    """A name for display: without folders, control characters and marks of direction."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:120].strip()
