"""POST /v1/clips and POST /v1/images: from an upload to a job."""

import asyncio
import json
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from lgrseg.client.records import ImageResult, Job
from lgrseg.serve.accepting import Wishes, accept
from lgrseg.serve.examples import IMAGE, WAITING, example
from lgrseg.serve.job_store import DONE, StoredJob
from lgrseg.serve.problems import ServiceError, only_known_settings, problems
from lgrseg.serve.service import Service, service_of

router = APIRouter(tags=["clips"], dependencies=[Depends(only_known_settings)])
Services = Annotated[Service, Depends(service_of)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same key with the same upload gives the same job, also after an error",
    ),
]
ERRORS = problems(
    s400="the upload is empty or damaged, or the connection ended",
    s401="no token, or a wrong one",
    s408="the upload is too slow",
    s413="the upload or the decoded clip is too large",
    s415="the content has none of the supported formats",
    s422="the clip cannot be read (the reader's own sentence), or a setting is not allowed",
    s429="too many calls, or the queue is full; Retry-After says when",
    s503="no worker is alive; Retry-After says when",
    s507="the disk of the service is full",
)
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post(
    "/v1/clips",
    status_code=202,
    response_model=Job,
    responses=ERRORS | example(202, WAITING),
    openapi_extra=BODY,
)
async def post_clip(
    request: Request, response: Response, service: Services, wishes: Annotated[Wishes, Depends()],
    key: Key = None,
) -> Job:  # fmt: skip
    """Upload a clip, as the raw body or as the file of a form. It is decoded at once.

    The answer is a job; its `links.events` tell when it is done.
    """
    job = await accept(request, service, wishes, key, kind="clip")
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return await asyncio.to_thread(service.view, job)


@router.post(
    "/v1/images",
    response_model=ImageResult | Job,
    responses=ERRORS
    | example(200, IMAGE)
    | {202: {"model": Job, "description": "not finished within `wait`"}},
    openapi_extra=BODY,
)
async def post_image(
    request: Request, response: Response, service: Services, wishes: Annotated[Wishes, Depends()],
    key: Key = None,
    wait: Annotated[float, Query(ge=0, le=60, description="seconds to wait for the masks")] = 30,
) -> ImageResult | Job:  # fmt: skip
    """Upload one still image: png, jpg, bmp, tif, or any clip format with one frame."""
    job = await accept(request, service, wishes, key, kind="image")
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    end = time.monotonic() + wait
    while time.monotonic() < end and job.state in ("queued", "running"):
        await asyncio.sleep(0.05)
        found = await asyncio.to_thread(service.store.get, job.id)
        if found is None:  # it was deleted meanwhile
            raise ServiceError(404, "not_found", "the job was deleted")
        job = found
    if job.state == "failed":
        problem = job.problem or {}
        raise ServiceError(
            503, problem.get("code", "internal"), problem.get("detail", ""), retry_after=5
        )
    if job.state == DONE:
        return await asyncio.to_thread(image_result, service, job)
    response.status_code = 202
    return await asyncio.to_thread(service.view, job)


def image_result(service: Service, job: StoredJob) -> ImageResult:
    """Read the masks of a finished still."""
    folder = service.blobs.results(job.id, job.attempt)
    masks = json.loads((folder / "masks.json").read_text())
    facts = json.loads((folder / "measurements.json").read_text())
    return ImageResult(
        job=service.view(job),
        size=masks["size"],
        classes=masks["classes"],
        masks=masks["frames"][0],
        areas={name: areas[0] for name, areas in facts["areas"].items()},
        area_unit=facts["area_unit"],
    )
