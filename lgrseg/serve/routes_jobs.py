"""Jobs: list, state, events, cancelling, corrected beats."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from lgrseg.client.records import Beats, Job, JobList
from lgrseg.serve.corrections import beats_of, corrected_beats
from lgrseg.serve.examples import BEATS, FINISHED, JOBS, example
from lgrseg.serve.job_store import RUNNING, StoredJob
from lgrseg.serve.problems import problems
from lgrseg.serve.routes_results import read_facts
from lgrseg.serve.service import Service, service_of

router = APIRouter(tags=["jobs"], responses=problems(s422="a setting is not allowed"))
Services = Annotated[Service, Depends(service_of)]
ENDED = ("done", "failed", "cancelled", "expired")
NO_JOB = problems(s401="no token, or a wrong one", s404="there is no such job")
NOT_DONE = NO_JOB | problems(s409="it is not done", s410="its results have expired")
BEATS_SHOWN = example(200, BEATS)
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
