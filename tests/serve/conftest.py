"""A service in which the test plays the worker, and a real browser for the slow tests."""

import os
import shutil

import httpx2
import numpy as np
import pytest
from running_service import running, upload

from lgrseg.visualization.overlays import write_mp4


@pytest.fixture
def page():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    browser = os.environ.get("LGRSEG_CHROMIUM") or shutil.which("chromium")
    if browser is None:
        pytest.skip("needs Chromium: set LGRSEG_CHROMIUM")
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        made = started.new_page(viewport={"width": 1280, "height": 900})
        made.set_default_timeout(60_000)
        yield made
        started.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service"), max_upload_mb=1, chunk_seconds=0.5) as played:
        yield played


@pytest.fixture
def http(service):
    service.live()
    with httpx2.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, np.full((3, 32, 48, 3), 90, np.uint8), fps=10)
    return path.read_bytes()


@pytest.fixture
def done(service, http, clip):
    """A job with results."""
    job = upload(http, clip, name="clip.mp4").json()
    service.finish(service.claim())
    return job
