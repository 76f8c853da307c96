"""A finished clip segmented again, without another upload: with another model, or from boxes."""

import os
import shutil
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lgrseg.client.records import Job
from lgrseg.serve.accepting import check_open, queue_full
from lgrseg.serve.examples import WAITING, example
from lgrseg.serve.job_store import NewJob, QueueFull, StoredJob
from lgrseg.serve.problems import ServiceError, only_known_settings, problems
from lgrseg.serve.routes_jobs import NOT_DONE
from lgrseg.serve.service import Service, service_of

router = APIRouter(
    tags=["jobs"],
    responses=problems(s422="a setting is not allowed"),
    dependencies=[Depends(only_known_settings)],
)
Services = Annotated[Service, Depends(service_of)]
AGAIN = replace(WAITING, parent="5d1926f41a0138f72c7018ae2903ab8f")
ERRORS = NOT_DONE | problems(
    s429="too many calls, or the queue is full; Retry-After says when",
    s503="no worker is alive; Retry-After says when",
    s507="the disk of the service is full",
)
NO_BOX_MODEL = (
    "the service has no model for boxes: start it with --box-run FOLDER, the folder of a "
    "BOX-SAM2 run"
)


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


@router.post(
    "/v1/jobs/{job_id}/again",
    status_code=202,
    response_model=Job,
    responses=ERRORS | example(202, AGAIN),
)
def post_again(
    request: Request, response: Response, service: Services, job_id: str,
    model: Annotated[
        str | None,
        Query(max_length=255, description="a name of GET /v1/models; by default the first"),
    ] = None,
) -> Job:  # fmt: skip
    """Segment the clip of a finished job again, with a model; the answer is a new job."""
    job = service.finished_job(request, job_id)
    name = service.model_named(model)
    check_open(request, service)
    options = {key: value for key, value in job.options.items() if key != "boxes"}
    return add_again(response, service, job, model=name, options=options)


@router.post(
    "/v1/jobs/{job_id}/prompts",
    status_code=202,
    response_model=Job,
    responses=ERRORS
    | problems(s501="the service has no model for boxes")
    | example(202, replace(AGAIN, model="box_sam2", boxes=1)),
)
def post_prompts(
    request: Request, response: Response, service: Services, job_id: str, wish: BoxesWish
) -> Job:
    """Segment the clip again from boxes that were drawn by hand; the answer is a new job."""
    job = service.finished_job(request, job_id)
    model = service.box_model
    if model is None:
        raise ServiceError(501, "no_box_model", NO_BOX_MODEL)
    check_open(request, service)
    check_boxes(service, job, wish.boxes)
    boxes = [box.model_dump(by_alias=True) for box in wish.boxes]
    return add_again(response, service, job, model=model, options=job.options | {"boxes": boxes})


def add_again(
    response: Response,
    service: Service,
    job: StoredJob,
    *,
    model: str,
    options: dict[str, Any],
) -> Job:
    """Add a job of the same frames; it has its own links to them, so either can be deleted.

    Raises:
        ServiceError: 429 the queue is full.
    """
    upload = service.blobs.new_upload()
    try:
        for name in ("frames.u8", "meta.json", "source.dcm"):
            if (source := service.blobs.folder(job.id) / name).exists():
                os.link(source, upload / name)
        new = NewJob(
            id=upload.name,
            owner=job.owner,
            kind=job.kind,
            model=model,
            name=job.name,
            meta=job.meta,
            options=options,
            parent=job.parent or job.id,  # the upload, so that all of one clip are found
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
