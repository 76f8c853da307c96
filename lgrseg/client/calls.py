"""What both clients share: addresses, headers, which call is tried again, and when."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from lgrseg.client.records import Job, record_of

AGAIN = (408, 425, 429, 502, 503, 504)
"""Statuses after which the same call may succeed."""
LONGEST_PAUSE = 30.0
CHUNK = 2**18
UPLOAD_SECONDS = 600.0
"""Longest time without an answer: the service decodes the clip before it answers."""


@dataclass(frozen=True)
class Upload:
    """A file that is sent; every try has the same key, so the service makes one job of them."""

    path: Path
    address: str
    wishes: dict[str, Any]
    key: str = field(default_factory=lambda: uuid4().hex)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the call."""
        return {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(self.path.stat().st_size),
            "Idempotency-Key": self.key,
        }

    def chunks(self) -> Iterator[bytes]:
        """Content of the file in parts."""
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk


def wishes_of(
    path: Path,
    *,
    name: str | None,
    spacing_mm: float | Sequence[float] | None,
    fps: float | None,
    deidentify: bool,
    model: str | None = None,
    wait: float | None = None,
) -> dict[str, Any]:
    """Make the parameters of an upload; without names, if it shall have none.

    Parameters are part of the address, which proxies log.
    """
    if name is None and not deidentify:
        name = path.name
    values: dict[str, Any] = {"name": name, "fps": fps, "model": model, "wait": wait}
    if spacing_mm is not None:
        both = [spacing_mm] * 2 if isinstance(spacing_mm, int | float) else list(spacing_mm)
        if len(both) != 2:
            raise ValueError(
                f"spacing_mm={spacing_mm!r}: give the mm between rows and between columns, or one "
                "number for both"
            )
        values["row_mm"], values["column_mm"] = both
    if deidentify:
        values["deidentify"] = "true"
    return {key: value for key, value in values.items() if value is not None}


def checked_url(url: str) -> str:
    """Return the address of a service.

    Raises:
        ValueError: it has no scheme.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(
            f"{url!r} is no address of a service: it begins with http:// or https://, such as "
            "http://127.0.0.1:8321"
        )
    return url


def headers_of(token: str | None) -> dict[str, str]:
    """Headers of every call."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def pause_before(attempt: int, retry_after: float | None = None) -> float:
    """Seconds before a call is tried again: as the service says, or longer with every attempt."""
    if retry_after is not None:
        return min(LONGEST_PAUSE, retry_after) * random.uniform(1, 1.2)
    return min(LONGEST_PAUSE, 0.5 * 2**attempt) * random.uniform(0.8, 1.2)


class EventReader:
    """Reads server-sent events line by line."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.last_id = ""
        self._name, self._data = "", [""]

    def read(self, line: str) -> Job | None:
        """Take a line; the job if the line ends an event that has one.

        Raises:
            LookupError: the job was deleted.
        """
        if line:
            field_name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field_name == "id":
                self.last_id = value
            elif field_name == "event":
                self._name = value
            elif field_name == "data":
                self._data.append(value)
            return None
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        if name == "deleted":
            raise LookupError("the job was deleted")
        return record_of(Job, json.loads(data)) if name == "job" else None
