"""The page: the whole way of a clip through a real browser.

    pytest -m slow tests/serve/test_page.py

LGRSEG_CHROMIUM is the browser, if it is not on the path. LGRSEG_AXE is the file axe.min.js of the
npm package axe-core; without it accessibility is not checked.
"""

import base64
import io
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
import torch
from safetensors.torch import save_file
from server_processes import ServerProcesses

from lgrseg.client import Client
from lgrseg.config import instantiate, load_config, save_config
from lgrseg.serve.packed import read_labels

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
REAL_CLIP = Path(pydicom.__file__).parent / "data" / "test_files" / "examples_ybr_color.dcm"
TOKEN = "a token for the tests of the page"
FRAMES, BITS, BLOCK = 20, 5, 12
RATIO = 1.5


def stamped_clip(source, path):
    """Write frames of a real clip, each with its number as white and black squares in a corner."""
    frames = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(source)))[:FRAMES].mean(-1)
    for i, frame in enumerate(frames):
        for bit in range(BITS):
            frame[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (i >> bit & 1)
    image = SimpleITK.GetImageFromArray(frames.astype(np.uint8))
    image.SetSpacing((RATIO, RATIO, 1))
    SimpleITK.WriteImage(image, str(path))


def small_box_run(folder):
    """A BOX-SAM2 of random weights."""
    size = "dataloader.test.phantom_demo_val.mapper.input_size=[64,64]"
    cfg = load_config(ROOT / "configs/box_sam2/demo.py", ["model.sam.size=64", size])
    torch.manual_seed(0)
    (folder / "checkpoints").mkdir(parents=True)
    save_config(cfg, folder / "config.yaml")
    save_file(instantiate(cfg.model).state_dict(), folder / "checkpoints" / "last.safetensors")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    small_box_run(folder / "boxes")
    made = ServerProcesses(folder / "data", token=TOKEN, box_run=folder / "boxes")
    made.start()
    made.wait_until_ready()
    yield made
    made.stop()


STATE = """({ block, bits }) => {
  const canvas = document.querySelector("canvas[data-frame]");
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  let stamp = 0;
  for (let bit = 0; bit < bits; bit++) {
    const at = 4 * ((block / 2) * width + bit * block + block / 2);
    stamp |= (data[at] > 127) << bit;
  }
  let text = "";
  for (let i = 0; i < data.length; i += 8192) {
    text += String.fromCharCode(...data.subarray(i, i + 8192));
  }
  return { frame: Number(canvas.dataset.frame), stamp, width, height, pixels: btoa(text) };
}"""
WHILE_PLAYING = """async (place) => {
  const seen = [];
  for (let k = 0; k < 40; k++) {
    await new Promise(requestAnimationFrame);
    const { frame, stamp } = (STATE)(place);
    seen.push([frame, stamp]);
  }
  return seen;
}""".replace("STATE", STATE)


def on_canvas(page):
    return page.evaluate(STATE, {"block": BLOCK, "bits": BITS})


def pixels_of(state):
    content = np.frombuffer(base64.b64decode(state["pixels"]), np.uint8)
    return content.reshape(state["height"], state["width"], 4)[..., :3]


def labels_of(pixels, colors):
    labels = np.zeros(pixels.shape[:2], np.uint8)
    for value, color in enumerate(colors, start=1):
        labels[(pixels == color).all(-1)] = value
    return labels


def check_accessibility(page, where):
    file = os.environ.get("LGRSEG_AXE")
    if not file:
        return
    page.evaluate(Path(file).read_text(encoding="utf-8"))  # a script tag would break the policy
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.wait_for_timeout(300)
        found = page.evaluate("axe.run()")["violations"]
        serious = [entry for entry in found if entry["impact"] in ("serious", "critical")]
        lines = [f"{e['id']}: {n['html'][:160]}" for e in serious for n in e["nodes"]]
        print(f"axe: {where}, {theme}: {[entry['id'] for entry in found]}")
        assert not lines, (where, theme, lines)


def give_token(page):
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.get_by_role("button", name="Use this token").click()
    page.get_by_text("Results are kept for").wait_for()


def choose_frame(page, frame):
    page.get_by_label("Frame", exact=True).fill(str(frame))
    page.wait_for_selector(f"canvas[data-frame='{frame}']")


def test_a_clip_from_the_upload_to_the_download(server, page, tmp_path):
    stamped_clip(REAL_CLIP, tmp_path / "stamped.mha")
    errors = []
    page.goto(server.url)
    give_token(page)
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    check_accessibility(page, "first view")

    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").press("Enter")
    chooser.value.set_files(tmp_path / "stamped.mha")
    page.get_by_role("progressbar", name="Progress of the job").wait_for()
    page.wait_for_selector("canvas[data-frame='0']", timeout=180_000)
    job_id = page.url.rpartition("/")[2]
    client = Client(server.url, token=TOKEN)
    check_accessibility(page, "result")

    check_frames(page, client, job_id)
    check_beats(page, client, job_id)
    check_archive(page, client, job_id)
    check_boxes_and_comparison(page, client, job_id)
    assert errors == []


def check_frames(page, client, job_id):
    """Picture and masks of every frame, in any order, are those of its number."""
    masks = list(read_labels(client.result(client.job(job_id), "labels.bin")))
    colors = client.models().models[0].colors
    page.get_by_role("button", name="Contours").click()
    page.get_by_label("Opacity of the overlay").fill("100")
    for frame in np.random.default_rng(0).permutation(FRAMES).tolist():
        choose_frame(page, frame)
        state = on_canvas(page)
        assert (state["frame"], state["stamp"]) == (frame, frame)
        assert (labels_of(pixels_of(state), colors) == masks[frame]).all(), frame
    # Keys, from anywhere in the viewer.
    overlay = page.get_by_role("button", name="Overlay", exact=True)
    for key, frame in {"Home": 0, "ArrowRight": 1, "Shift+ArrowRight": 11, "ArrowLeft": 10}.items():
        overlay.press(key)
        page.wait_for_selector(f"canvas[data-frame='{frame}']")
    page.get_by_role("button", name="Left ventricle").click()
    without = masks[10] * (masks[10] != 1)
    assert (labels_of(pixels_of(on_canvas(page)), colors) == without).all()
    page.get_by_role("button", name="Overlay", exact=True).press(
        "Space"
    )  # a button keeps its own key
    page.get_by_role("button", name="Play (space)").click()
    seen = page.evaluate(WHILE_PLAYING, {"block": BLOCK, "bits": BITS})
    page.get_by_role("button", name="Pause (space)").click()
    assert all(frame == stamp for frame, stamp in seen)
    assert len({frame for frame, _ in seen}) > 3


def check_beats(page, client, job_id):
    """A mark that is moved by keys or by mouse gives a new ejection fraction beside the old one."""
    before = client.beats(job_id)
    mark = page.get_by_role("slider", name="End-systole").first
    frame = int(mark.get_attribute("aria-valuenow"))
    with page.expect_response(re.compile("/beats")):
        mark.press("ArrowRight")
    page.get_by_text("Corrected by hand").wait_for()
    after = client.beats(job_id)
    assert after.original == before.original
    assert after.corrected[0].es_frame == frame + 1
    shown = page.locator(".figure.main").inner_text()
    assert f"{after.ejection_fraction:.1f}" in shown
    flag = page.get_by_role("slider", name="End-diastole").first.locator(".flag").bounding_box()
    x, y = flag["x"] + flag["width"] / 2, flag["y"] + flag["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    with page.expect_response(re.compile("/beats")):
        page.mouse.up()
    moved = client.beats(job_id).corrected[0]
    assert moved.ed_frame > after.corrected[0].ed_frame
    assert int(page.locator("canvas").get_attribute("data-frame")) == moved.ed_frame


def check_archive(page, client, job_id):
    """The archive has every file, with the bytes of the service."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert archive.testzip() is None
        assert archive.read("masks.nii.gz") == client.result(client.job(job_id), "masks.nii.gz")
        beats = json.loads(archive.read("beats.json"))
        assert {"report.html", "measurements.csv", "overlay.mp4"} <= set(archive.namelist())
    assert beats["ejection_fraction"] == client.beats(job_id).ejection_fraction


def check_boxes_and_comparison(page, client, job_id):
    """A box that is drawn becomes a new job, which is compared with the first one."""
    page.get_by_role("button", name="Draw a box").click()
    sheet = page.locator("canvas").bounding_box()
    page.mouse.move(sheet["x"] + 0.25 * sheet["width"], sheet["y"] + 0.25 * sheet["height"])
    page.mouse.down()
    page.mouse.move(sheet["x"] + 0.75 * sheet["width"], sheet["y"] + 0.75 * sheet["height"])
    page.mouse.up()
    sides = page.get_by_role("group", name="Edges of box 1").get_by_role("spinbutton")
    edges = [int(sides.nth(k).input_value()) for k in range(4)]
    assert np.allclose(edges, [80, 60, 240, 180], atol=1)  # of 320 x 240 pixels
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda address: not address.endswith(job_id))
    page.wait_for_selector("canvas[data-frame]", timeout=180_000)
    assert client.job(page.url.rpartition("/")[2]).parent == job_id
    page.get_by_label("Other result").select_option(job_id)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("meter", name="Dice of Left ventricle").wait_for()
    assert page.locator("canvas[data-frame='0']").count() == 2
    check_accessibility(page, "comparison")


def test_what_is_refused_is_said_in_one_sentence(server, page):
    page.goto(server.url)
    give_token(page)
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no clip"}
    empty = {"name": "empty.mp4", "mimeType": "video/mp4", "buffer": b""}
    page.locator("#files").set_input_files([text, empty])
    for sentence in ("none of the supported formats", "The file is empty."):
        page.get_by_text(sentence).wait_for()
        assert page.get_by_text(sentence).count() == 1
    page.goto(f"{server.url}/#/job/{'0' * 32}")
    page.get_by_text("There is no such job.").wait_for()
    assert page.get_by_text("There is no such job.").count() == 1
    shown = """async () => {
        const { factsOf } = await import("/words.js");
        const lastOf = (mm) => factsOf({ size: [2, 3], spacing_mm: mm }).pop();
        return [[0.4, 0.3], [0.4, 0.4], null].map(lastOf);
    }"""
    sizes = ["0.30 × 0.40 mm/pixel", "0.40 mm/pixel", "spacing not known"]  # width, height
    assert page.evaluate(shown) == sizes


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_no_view_is_wider_than_the_screen(server, page, width, tmp_path):
    with Client(server.url, token=TOKEN) as client:
        stamped_clip(REAL_CLIP, tmp_path / "view.mha")
        client.predict_clip(tmp_path / "view.mha")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(server.url)
    give_token(page)
    page.get_by_role("link", name="view.mha").first.click()
    page.wait_for_selector("canvas[data-frame]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
