"""The page takes files and folders, dropped or chosen, in a real browser.

    pytest -m slow tests/serve/test_page_uploads.py

The drop is one of the browser itself, with real paths: a page can make no folder.
"""

import time

import nibabel
import numpy as np
import pytest
from running_service import MODEL, running

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """Three clips in folders of a folder, and what is no clip."""
    top = tmp_path / "study"
    for path in (
        "a.nii",
        "first/a.nii",
        "first/deep/b.nii",
        "first/deep/.hidden.nii",
        ".git/c.nii",
    ):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(np.zeros((8, 6, 3), np.uint8), np.eye(4)), top / path)
    for path in (".DS_Store", "first/Thumbs.db"):
        (top / path).write_bytes(b"x")
    (top / "first" / "notes.txt").write_text("no clip")
    return top


@pytest.fixture
def played(tmp_path):
    with running(tmp_path / "data") as made:
        yield made


@pytest.fixture
def opened(played, page):
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(played.url)
    page.get_by_text("Results are kept for").wait_for()
    yield page
    assert page.errors == []


def drop(page, *paths):
    """Drag files and folders from the desktop onto the window."""
    box = page.locator(".drop").bounding_box()
    place = {"x": box["x"] + 40, "y": box["y"] + 40}
    files = [str(path) for path in paths]
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver"):
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})
    page.wait_for_selector(".drop.over")
    session.send("Input.dispatchDragEvent", {"type": "drop", "data": data, **place})
    page.wait_for_selector(".drop:not(.over)")


def jobs_of(played, page, number):
    """Names of the jobs, when there are so many, and nothing is sent any more."""
    end = time.monotonic() + 120
    links = page.locator(".jobs .row-link")
    while links.count() < number or page.locator(".upload progress").count():
        played.live()  # a worker must be alive, or uploads wait
        assert time.monotonic() < end, page.locator("main").inner_text()
        page.wait_for_timeout(300)
    return sorted(links.all_inner_texts())


@pytest.mark.parametrize("way", ["dropped", "chosen"])
def test_a_folder(way, played, opened, folder):
    if way == "dropped":
        drop(opened, folder)
    else:
        opened.locator("#folder").set_input_files(folder)
    assert jobs_of(played, opened, 3) == ["a.nii", "a.nii", "b.nii"]
    (refused,) = opened.locator(".upload").all()  # with its place, as names are often the same
    assert refused.locator("b").inner_text() == "study/first/notes.txt"
    assert "none of the supported formats" in refused.inner_text()
    assert not opened.url.rpartition("#")[2].startswith("/job/")


def test_files_and_a_folder_at_once(played, opened, folder):
    drop(opened, folder / "a.nii", folder / "first" / "deep")
    assert jobs_of(played, opened, 2) == ["a.nii", "b.nii"]
    opened.locator("#files").set_input_files([folder / "a.nii", folder / "first" / "a.nii"])
    assert jobs_of(played, opened, 4) == ["a.nii", "a.nii", "a.nii", "b.nii"]


def test_a_folder_with_one_clip_opens_it_and_an_empty_one_is_said(played, opened, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    drop(opened, tmp_path / "empty")
    opened.get_by_text("There is no file in it.").wait_for()
    drop(opened, folder / "first" / "deep")
    end = time.monotonic() + 120
    while "#/job/" not in opened.url:
        played.live()
        assert time.monotonic() < end, opened.locator("main").inner_text()
        opened.wait_for_timeout(300)


def test_more_files_than_the_browser_lists_at_a_time(opened, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(230):  # empty, so nothing is sent
        (tmp_path / "many" / f"{number}.mp4").touch()
    drop(opened, tmp_path / "many")
    opened.locator(".upload").nth(229).wait_for()
    assert opened.locator(".upload").count() == 230


def test_a_model_is_chosen_only_if_there_are_several(played, opened, folder):
    choice = opened.locator(".drop").get_by_label("Model")
    assert choice.is_hidden()
    name = MODEL["name"]
    played.live([MODEL, MODEL | {"name": "b", "purpose": "prompts"}, MODEL | {"name": "c"}])
    opened.reload()
    choice.wait_for()
    assert choice.locator("option").all_inner_texts() == [name, "c"]
    choice.select_option("c")  # which the settings of this service do not have
    opened.locator("#files").set_input_files([folder / "a.nii"])
    opened.get_by_text(f"No model 'c'; there are: {name}.").wait_for()
