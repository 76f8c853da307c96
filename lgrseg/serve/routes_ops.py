"""Models, health and metrics."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from lgrseg.client.records import Model, ModelList, record_of
from lgrseg.serve.blobs import DiskFull
from lgrseg.serve.examples import MODELS, example
from lgrseg.serve.problems import ServiceError, problems
from lgrseg.serve.service import ALIVE_SECONDS, Service, service_of

router = APIRouter(tags=["operation"])
Services = Annotated[Service, Depends(service_of)]


@router.get(
    "/v1/models",
    response_model=ModelList,
    responses=problems(s401="no token, or a wrong one") | example(200, MODELS),
)
def get_models(service: Services) -> ModelList:
    """List the models with the hashes of their weights, and the limits of uploads."""
    workers = service.store.workers(within=ALIVE_SECONDS)
    loaded = next((worker.models for worker in workers if worker.models), None)
    service.models = loaded or service.models
    settings = service.settings
    limits = {
        "max_upload_bytes": settings.max_upload_bytes,
        "max_frames": settings.max_frames,
        "max_frame_pixels": settings.max_frame_pixels,
        "max_queued": settings.max_queued,
        "keep_days": settings.keep_days,
    }
    return ModelList([record_of(Model, model) for model in service.models], limits)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
def get_health() -> dict[str, str]:
    """Tell that this process answers."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=problems(s503="no worker is ready, or the disk is full"))
def get_readiness(service: Services) -> dict[str, Any]:
    """Tell whether a clip would be segmented now: a worker is ready, table and disk can be used."""
    workers = service.store.workers(within=ALIVE_SECONDS)
    ready = [worker for worker in workers if worker.state == "ready"]
    if not ready:
        states = ", ".join(worker.state for worker in workers) or "none"
        detail = f"no worker is ready (workers: {states})"
        raise ServiceError(503, "no_worker", detail, retry_after=2)
    try:
        service.blobs.check_space()
    except DiskFull as error:
        raise ServiceError(503, "disk_full", "the disk is full", retry_after=60) from error
    ages = {worker.name: round(time.time() - worker.seen, 1) for worker in ready}
    return {"status": "ready", "workers": ages, "jobs": service.store.counts()}


@router.get("/metrics", response_class=Response)
def get_metrics(service: Services) -> Response:
    """Get counters and times for Prometheus."""
    text = service.metrics.text(service.store, service.clip_models)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
