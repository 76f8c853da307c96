"""From the body of a request to an accepted job: received, decoded, on the disk, in the table."""

import asyncio
import hashlib
import json
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query, Request

from lgrseg.serve.blobs import DiskFull
from lgrseg.serve.guard import client_of
from lgrseg.serve.job_store import KeyReused, NewJob, QueueFull, StoredJob
from lgrseg.serve.problems import ServiceError, disk_full
from lgrseg.serve.reasons import DISK_FULL
from lgrseg.serve.service import ALIVE_SECONDS, Service
from lgrseg.serve.uploads import Received, check_announced, receive, shown_name

MOST_PIXEL_MM = 100.0
View = Literal["A4C", "A2C", "unknown"]
"""Views of a DICOM report (`VIEWS` in dicom_sr.py)."""


class Wishes:
    """Settings of one upload."""

    def __init__(
        self,
        name: Annotated[str, Query(max_length=255, description="name for display")] = "",
        deidentify: Annotated[
            bool,
            Query(description="black outside the fan in pictures, no name, DICOM without patient"),
        ] = False,
        fps: Annotated[
            float | None,
            Query(gt=0, le=10000, description="frames a second instead of those of the file"),
        ] = None,
        row_mm: Annotated[
            float | None, Query(gt=0, le=MOST_PIXEL_MM, description="millimetres between rows")
        ] = None,
        column_mm: Annotated[
            float | None, Query(gt=0, le=MOST_PIXEL_MM, description="and between columns")
        ] = None,
        view: Annotated[
            View, Query(description="view of a DICOM clip, for the codes of its report")
        ] = "unknown",
        model: Annotated[
            str | None,
            Query(max_length=255, description="a name of GET /v1/models; by default the first"),
        ] = None,
    ):
        """Check the settings; both spacings are given, or none."""
        if (row_mm is None) != (column_mm is None):
            raise ServiceError(422, "bad_settings", "give both row_mm and column_mm, or neither")
        self.name, self.model = name, model
        self.options = {"deidentify": deidentify} if deidentify else {}
        values: dict[str, Any] = {"fps": fps, "spacing_mm": row_mm and [row_mm, column_mm]}
        values["view"] = None if view == "unknown" else view
        self.options |= {key: value for key, value in values.items() if value}


async def accept(
    request: Request,
    service: Service,
    wishes: Wishes,
    key: str | None,
    *,
    kind: Literal["clip", "image"],
) -> StoredJob:
    """Receive and decode an upload, and add its job.

    Raises:
        ServiceError: the upload is refused; nothing of it is kept.
    """
    service.uploads += 1
    upload: Path | None = None
    try:
        model = service.model_named(wishes.model)
        size = check_announced(request, service.settings.max_upload_bytes)
        await asyncio.to_thread(check_open, request, service, size)
        upload = await asyncio.to_thread(service.blobs.new_upload)
        settings = service.settings
        received = await receive(
            request,
            upload / "upload",
            most=settings.max_upload_bytes,
            chunk_seconds=settings.chunk_seconds,
            total_seconds=settings.upload_seconds,
        )
        service.metrics.bytes.inc(received.size)
        wish = json.dumps([kind, model, wishes.options, received.sha256], sort_keys=True)
        fingerprint = hashlib.sha256(wish.encode()).hexdigest()
        owner = request.state.owner
        if key and (known := await asyncio.to_thread(service.store.find_key, owner, key)):
            return _same(known, fingerprint)
        hidden = wishes.options.get("deidentify", False)
        meta = await service.intake.decode(upload, deidentify=hidden)
        # With the hash of the original, results could be told to be those of it.
        meta["sha256"] = upload.name if hidden else received.sha256
        check_kind(kind, meta)
        job = _new_job(request, upload, received, wishes, meta, kind, model, key, fingerprint)
        return await asyncio.to_thread(_add, service, upload, job)
    except DiskFull as error:
        raise disk_full() from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise disk_full() from error
        raise
    finally:
        service.uploads -= 1
        if upload is not None:
            await asyncio.to_thread(shutil.rmtree, upload, ignore_errors=True)


def check_open(request: Request, service: Service, size: int = 0) -> None:
    """Check that the service takes another upload.

    Args:
        request: the request of the upload.
        service: the service.
        size: announced size of the upload in bytes.

    Raises:
        ServiceError: 429, 503 or 507, each with the time after which it may.
    """
    settings = service.settings
    if wait := service.rate.wait_of(f"{request.state.owner} {client_of(request.scope)}"):
        detail = f"more than {settings.rate_per_minute:g} uploads a minute"
        raise ServiceError(429, "too_many_calls", detail, retry_after=wait)
    if service.uploads > settings.max_uploads:
        detail = f"{settings.max_uploads} uploads are being received, the limit of the service"
        raise ServiceError(429, "busy", detail, retry_after=5)
    if service.store.counts().get("queued", 0) >= settings.max_queued:
        raise queue_full(settings.max_queued)
    if not service.store.workers(within=ALIVE_SECONDS):
        detail = "no worker is alive, so the clip would wait without end"
        raise ServiceError(503, "no_worker", detail, retry_after=5)
    try:
        service.blobs.check_space(size)
    except DiskFull as error:
        raise disk_full() from error


def check_kind(kind: str, meta: dict[str, Any]) -> None:
    """Check that a still is a still, and a clip a clip.

    Raises:
        ServiceError: 415 it is the other.
    """
    if kind == "clip" and meta["format"] == "still":
        raise ServiceError(415, "unsupported", "this is one still image: POST it to /v1/images")
    if kind == "image" and (number := meta["shape"][0]) > 1:
        detail = f"this clip has {number} frames: POST it to /v1/clips"
        raise ServiceError(415, "unsupported", detail)


def _new_job(
    request: Request,
    upload: Path,
    received: Received,
    wishes: Wishes,
    meta: dict[str, Any],
    kind: str,
    model: str,
    key: str | None,
    fingerprint: str,
) -> NewJob:
    hidden = wishes.options.get("deidentify", False)  # a file's name may be that of a patient
    return NewJob(
        id=upload.name,
        owner=request.state.owner,
        kind=kind,
        model=model,
        name="" if hidden else shown_name(wishes.name or received.name),
        meta=meta,
        options=wishes.options,
        key=key,
        fingerprint=fingerprint,
    )


def _add(service: Service, upload: Path, job: NewJob) -> StoredJob:
    """Move the decoded clip to the jobs, then add the row: no row is without its clip."""
    service.blobs.accept(upload)
    try:
        added = service.store.add(job, max_queued=service.settings.max_queued)
    except KeyReused as error:
        service.blobs.delete(job.id)
        raise key_reused() from error
    except QueueFull as error:
        service.blobs.delete(job.id)
        raise queue_full(service.settings.max_queued) from error
    except BaseException:
        service.blobs.delete(job.id)
        raise
    if added.id != job.id:  # the same key came twice at the same time
        service.blobs.delete(job.id)
    return added


def _same(known: StoredJob, fingerprint: str) -> StoredJob:
    if known.fingerprint != fingerprint:
        raise key_reused()
    return known


def key_reused() -> ServiceError:
    """The answer to a key that came with another upload."""
    detail = "this Idempotency-Key came before with another upload or other settings: use a new one"
    return ServiceError(422, "key_reused", detail)


def queue_full(most: int) -> ServiceError:
    """The answer when no more jobs may wait."""
    return ServiceError(429, "queue_full", f"{most} jobs wait already", retry_after=10)
