"""Jobs: list, state, events, cancelling, corrected beats, boxes."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from lgrseg.client.records import Beats, Job, JobList
from lgrseg.serve.accepting import check_open, queue_full
from lgrseg.serve.corrections import beats_of, corrected_beats
from lgrseg.serve.examples import BEATS, FINISHED, JOBS, WAITING, example
from lgrseg.serve.job_store import RUNNING, NewJob, QueueFull, StoredJob
from lgrseg.serve.problems import ServiceError, problems
from lgrseg.serve.routes_results import read_facts
from lgrseg.serve.service import Service, service_of

router = APIRouter(tags=["jobs"], responses=problems(s422="a setting is not allowed"))
Services = Annotated[Service, Depends(service_of)]
ENDED = ("done", "failed", "cancelled", "expired")
NO_JOB = problems(s401="no token, or a wrong one", s404="there is no such job")
NOT_DONE = NO_JOB | problems(s409="it is not done", s410="its results have expired")
BEATS_SHOWN = example(200, BEATS)
BOXES = replace(WAITING, model="prompts", parent="5d1926f41a0138f72c7018ae2903ab8f")
LOOK_SECONDS = 0.25
"""Time between two looks at the table while events are sent."""
QUIET_SECONDS = 15.0
"""After such a pause a comment is sent, so that proxies keep the connection."""


class BeatFrames(BaseModel):
    """Frames of one beat, counted from 0."""

    ed_frame: int = Field(ge=0, description="end-diastole")
    es_frame: int = Field(ge=0, description="end-systole")


class BeatsWish(BaseModel):
    """Corrected beats; null takes all corrections back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"beats": [{"ed_frame": 3, "es_frame": 17}]}]}
    )
    beats: list[BeatFrames] | None = Field(max_length=1000, min_length=1)


class Box(BaseModel):
    """A box around one structure on one frame."""

    model_config = ConfigDict(populate_by_name=True)
    frame: int = Field(ge=0, description="frame, counted from 0")
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 in pixels")
    name: str = Field(alias="class", max_length=100, description="class of the model")


class BoxesWish(BaseModel):
    """Boxes, from which the clip is segmented again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"boxes": [{"frame": 0, "box": [120, 40, 310, 290], "class": "left_ventricle"}]}
            ]
        }
    )
    boxes: list[Box] = Field(min_length=1, max_length=200)


@router.get(
    "/v1/jobs",
    response_model=JobList,
    responses=problems(s401="no token") | example(200, JOBS),
)
def list_jobs(
    request: Request,
    service: Services,
    after: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobList:
    """List your jobs, the newest first."""
    owner = request.state.owner
    found = service.store.jobs(owner=owner, after=after, limit=limit)
    jobs = [service.view(job) for job in found]
    return JobList(jobs, next=jobs[-1].id if len(jobs) == limit else None)


@router.get("/v1/jobs/{job_id}", response_model=Job, responses=NO_JOB | example(200, FINISHED))
def get_job(request: Request, service: Services, job_id: str) -> Job:
    """Get the state of a job."""
    return service.view(service.job(request, job_id))


@router.get(
    "/v1/jobs/{job_id}/events",
    responses=NO_JOB | {200: {"content": {"text/event-stream": {}}, "description": "a stream"}},
    response_class=StreamingResponse,
)
async def get_events(
    request: Request,
    service: Services,
    job_id: str,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=20)] = None,
) -> StreamingResponse:
    """Follow a job by server-sent events: each is named `job`, and its data is the job as JSON.

    The stream ends when the job has ended. After a lost connection, send the last id.
    """
    job = await asyncio.to_thread(service.job, request, job_id)
    after = int(last) if last and last.isdecimal() else 0
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return StreamingResponse(
        _events(service, job, after), headers=headers, media_type="text/event-stream"
    )


async def _events(service: Service, job: StoredJob, after: int) -> AsyncIterator[str]:
    sent = time.monotonic()
    yield "retry: 2000\n\n"
    while True:
        text, after, ended = await asyncio.to_thread(_news, service, job.id, after)
        if text or ended:
            sent = time.monotonic()
            yield text
        if ended:
            return
        if time.monotonic() > sent + QUIET_SECONDS:
            sent = time.monotonic()
            yield ": quiet\n\n"
        await asyncio.sleep(LOOK_SECONDS)


def _news(service: Service, job_id: str, after: int) -> tuple[str, int, bool]:
    """The next event if there is one, its number, and whether it is the last."""
    job = service.store.get(job_id)
    if job is None:
        return "event: deleted\ndata: {}\n\n", after, True
    news = service.store.events(job_id, after)
    if not news and job.state not in ENDED:
        return "", after, False
    number = news[-1].number if news else after
    data = json.dumps(asdict(service.view(job)))
    return f"id: {number}\nevent: job\ndata: {data}\n\n", number, job.state in ENDED


@router.delete(
    "/v1/jobs/{job_id}",
    status_code=204,
    responses=NO_JOB | {202: {"description": "it runs, and will be cancelled", "model": Job}},
)
def delete_job(request: Request, service: Services, job_id: str) -> Response:
    """Cancel a job, and delete everything of it; one that runs ends within seconds (202)."""
    job = service.job(request, job_id)
    if service.store.cancel(job.id) == RUNNING:
        view = service.view(service.job(request, job_id))
        return Response(json.dumps(asdict(view)), 202, media_type="application/json")
    service.store.delete(job.id)
    service.blobs.delete(job.id)
    return Response(status_code=204)


@router.get("/v1/jobs/{job_id}/beats", response_model=Beats, responses=NOT_DONE | BEATS_SHOWN)
def get_beats(request: Request, service: Services, job_id: str) -> Beats:
    """Get the measured and the corrected beats."""
    job = service.finished_job(request, job_id)
    return beats_of(job, read_facts(service, job))


@router.patch("/v1/jobs/{job_id}/beats", response_model=Beats, responses=NOT_DONE | BEATS_SHOWN)
def patch_beats(request: Request, service: Services, job_id: str, wish: BeatsWish) -> Beats:
    """Correct the frames of end-diastole and end-systole; the measured beats are kept."""
    job = service.finished_job(request, job_id)
    facts = read_facts(service, job)
    beats = None
    if wish.beats is not None:
        beats = corrected_beats(facts, [(beat.ed_frame, beat.es_frame) for beat in wish.beats])
    service.store.correct(job.id, beats)
    return beats_of(service.finished_job(request, job_id), facts)


@router.post(
    "/v1/jobs/{job_id}/prompts",
    status_code=202,
    response_model=Job,
    responses=NOT_DONE
    | problems(
        s429="too many calls, or the queue is full; Retry-After says when",
        s501="the service has no model for boxes",
        s503="no worker is alive; Retry-After says when",
        s507="the disk of the service is full",
    )
    | example(202, BOXES),
)
def post_prompts(
    request: Request, response: Response, service: Services, job_id: str, wish: BoxesWish
) -> Job:
    """Segment the clip again from boxes that were drawn by hand; the answer is a new job."""
    job = service.finished_job(request, job_id)
    if service.settings.box_run is None:
        raise ServiceError(
            501,
            "no_box_model",
            "the service has no model for boxes: start it with --box-run FOLDER, the folder of a "
            "BOX-SAM2 run",
        )
    check_open(request, service)
    check_boxes(service, job, wish.boxes)
    boxes = [box.model_dump(by_alias=True) for box in wish.boxes]
    upload = service.blobs.new_upload()
    try:
        for name in ("frames.u8", "meta.json", "source.dcm"):
            if (source := service.blobs.folder(job.id) / name).exists():
                os.link(source, upload / name)
        new = NewJob(
            id=upload.name,
            owner=job.owner,
            kind=job.kind,
            model="prompts",
            name=job.name,
            meta=job.meta,
            options=job.options | {"boxes": boxes},
            parent=job.id,
        )
        service.blobs.accept(upload)
        added = service.store.add(new, max_queued=service.settings.max_queued)
    except QueueFull as error:
        service.blobs.delete(upload.name)
        raise queue_full(service.settings.max_queued) from error
    finally:
        shutil.rmtree(upload, ignore_errors=True)
    response.headers["Location"] = f"/v1/jobs/{added.id}"
    return service.view(added)


def check_boxes(service: Service, job: StoredJob, boxes: list[Box]) -> None:
    """Check boxes against the clip and the classes of the box model.

    Raises:
        ServiceError: 422 for the first box that cannot be used.
    """
    from lgrseg.structures.box_prompts import BoxPrompt, PromptError, check_prompts

    workers = service.store.workers(within=3600)
    models = [model for worker in workers for model in worker.models]
    classes = next((m["classes"] for m in models if m["purpose"] == "prompts"), None)
    if classes is None:
        detail = "the model for boxes is being loaded"
        raise ServiceError(503, "no_worker", detail, retry_after=5)
    if unknown := {box.name for box in boxes} - set(classes):
        detail = f"no class {sorted(unknown)[0]!r}; there are: {', '.join(classes)}"
        raise ServiceError(422, "bad_boxes", detail)
    frames, height, width = job.meta["shape"][:3]
    prompts = [BoxPrompt(box.frame, box.box, classes.index(box.name)) for box in boxes]
    try:
        check_prompts(prompts, num_frames=frames, size=(height, width), classes=tuple(classes))
    except PromptError as error:
        raise ServiceError(422, "bad_boxes", str(error)) from error
