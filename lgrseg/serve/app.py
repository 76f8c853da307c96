"""The web application. It loads neither torch nor decoders; it answers while models compute."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

import lgrseg
from lgrseg.serve import (
    routes_again,
    routes_clips,
    routes_jobs,
    routes_ops,
    routes_results,
    routes_stream,
)
from lgrseg.serve.blobs import Blobs
from lgrseg.serve.guard import Guard
from lgrseg.serve.intake_pool import IntakePool
from lgrseg.serve.job_store import JobStore
from lgrseg.serve.logs import log
from lgrseg.serve.metrics import Metrics
from lgrseg.serve.problems import add_handlers
from lgrseg.serve.rate_limit import RateLimit
from lgrseg.serve.service import DAY, Service
from lgrseg.serve.settings import MEBIBYTE, Settings
from lgrseg.serve.stores import open_store
from lgrseg.serve.stream_pool import StreamPool

STATIC = Path(__file__).with_name("static")
"""The page, which is served at / if it is there."""
SWEEP_SECONDS = 60


def create_app(settings: Settings, *, store: JobStore | None = None) -> FastAPI:
    """Make the application.

    Args:
        settings: settings of the service.
        store: table of jobs; by default that of the settings.
    """
    metrics = Metrics()
    service = Service(
        settings=settings,
        store=store or open_store(settings),
        blobs=Blobs(settings.data, min_free=settings.min_free_mb * MEBIBYTE),
        intake=IntakePool(settings),
        streams=StreamPool(settings),
        metrics=metrics,
        rate=RateLimit(settings.rate_per_minute, burst=max(30, settings.rate_per_minute / 4)),
    )
    app = FastAPI(
        title="lgrseg",
        version=lgrseg.__version__,
        description="Segments cardiac ultrasound clips. For research, not for diagnosis.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    add_handlers(app)
    parts = (routes_clips, routes_results, routes_jobs, routes_again, routes_ops, routes_stream)
    for part in parts:
        app.include_router(part.router)
    if STATIC.is_dir():
        app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    await _sweep_once(service, older_than=0)
    sweeping = asyncio.create_task(_sweep_often(service))
    await service.intake.warm()
    try:
        yield
    finally:
        sweeping.cancel()
        service.streams.close()
        await service.intake.close()


async def _sweep_often(service: Service) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await _sweep_once(service)


async def _sweep_once(service: Service, **how: float) -> None:
    try:
        await asyncio.to_thread(sweep, service, **how)
    except Exception as error:  # a full disk or a busy table; the next sweep will do it
        log("sweep failed", error=type(error).__name__)


def sweep(service: Service, *, older_than: float | None = None) -> None:
    """Delete expired results, and folders that no job has.

    Args:
        service: the service.
        older_than: age in seconds of such folders; by default longer than an upload can take.
    """
    expired = service.store.expire(time.time() - service.settings.keep_days * DAY)
    for job_id in expired:
        service.blobs.delete(job_id)
    if older_than is None:
        older_than = service.settings.upload_seconds + service.settings.intake_seconds + 60
    strays = service.blobs.sweep(service.store.ids(), older_than=older_than)
    if expired or strays:
        log("swept", expired=len(expired), strays=strays)
