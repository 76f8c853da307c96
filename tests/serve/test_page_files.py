"""The files of the page: complete, shipped, and without addresses of other servers."""

import re
import runpy
from pathlib import Path

import setuptools

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "lgrseg" / "serve" / "static"


def texts():
    return {path.name: path.read_text(encoding="utf-8") for path in STATIC.iterdir()}


def test_every_file_that_the_page_needs_exists_and_every_file_is_needed():
    files = texts()
    named = set(re.findall(r'(?:href|src)="([^"#:]+)"', files["index.html"]))
    for name, text in files.items():
        if name.endswith(".js"):
            named |= set(re.findall(r'from "\./([^"]+)"', text))
    assert named | {"index.html"} == set(files)


def test_the_page_asks_no_other_server_and_has_no_inline_script():
    addresses = re.findall(r"""["'(`](?:https?:)?//[^"'`)]*""", "".join(texts().values()))
    assert {address[1:] for address in addresses} == {"http://www.w3.org/2000/svg"}
    html = texts()["index.html"]
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", html)


def test_the_wheel_has_the_page(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    package = STATIC.parent
    shipped = {
        path for rule in given["package_data"]["lgrseg.serve"] for path in package.glob(rule)
    }
    assert set(STATIC.iterdir()) <= shipped
