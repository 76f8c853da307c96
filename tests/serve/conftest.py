"""A real browser for the slow tests of the page."""

import os
import shutil

import pytest


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
