"""The report in headless Chromium: nothing on its console, and videos that have a duration."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

from lgrseg.data import ClipMapper, DatasetCatalog, MetadataCatalog, WholeVideoSampler
from lgrseg.data.catalog import Metadata
from lgrseg.data.loader import ClipDataset, TestDataset
from lgrseg.data.store import read_record, write_video
from lgrseg.evaluation import SegmentationEvaluator, inference_on_dataset
from lgrseg.evaluation.results import write_results
from lgrseg.modeling.contracts import ClipModel
from lgrseg.reporting import plots
from lgrseg.reporting.export import export_record
from lgrseg.reporting.report import write_report
from lgrseg.structures import ClipPrediction

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
METADATA = Metadata(("left_ventricle", "left_atrium"), ((230, 75, 53), (0, 160, 135)))
DatasetCatalog.register("beating", list)
MetadataCatalog.register("beating", METADATA)
PROBE = """<script>
const videos = [...document.querySelectorAll("video")];
const tell = () => document.body.setAttribute(
  "data-found", JSON.stringify(videos.map(v => v.duration || null)));
const page = document.documentElement;
parent.postMessage([innerWidth, page.scrollWidth - page.clientWidth], "*");
videos.forEach(v => { v.onloadedmetadata = tell; v.onerror = tell; v.preload = "auto"; v.load(); });
</script>"""


class Bright(ClipModel):
    """A "model" that reads the grey values: 200 is the ventricle, 100 the atrium."""

    num_classes = 2

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def forward(self, clips):
        levels = torch.tensor([200.0, 100.0])[:, None, None, None] / 255
        return [
            ClipPrediction(
                mask_logits=0.15 - (clip.frames[:, 0] - levels).abs(),
                class_probs=torch.ones(2),
                present=torch.ones(2, dtype=torch.bool),
            )
            for clip in clips
        ]


def beating(folder, number, num_frames=24):
    masks, frames = {}, np.full((num_frames, 96, 128), 20, np.uint8)
    for frame in range(num_frames):
        top = 20 + round(8 * (1 - np.cos(2 * np.pi * frame / 20)) / 2) + number
        labels = np.zeros((96, 128), np.uint8)
        labels[top:60, 50:70], labels[60:80, 48:72] = 1, 2
        frames[frame][labels == 1], frames[frame][labels == 2] = 200, 100
        masks[frame] = labels
    meta = {
        "video_id": f"Site_{number % 2}/p{number}", "original_size": [96, 128],
        "crop_box": [0, 0, 96, 128], "spacing_mm": [0.8, 0.8], "fps": 20, "sources": [],
        "site": f"Site_{number % 2}", "patient": f"Site_{number % 2}/p{number}", "view": "4",
        "ed_frame": 0, "es_frame": 10, "info": {"ImageQuality": "Good"},
        "reference_ejection_fraction": 40.0 + number,
    }  # fmt: skip
    return read_record(write_video(folder, frames, masks, meta))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    records = [beating(root / "data", number) for number in range(4)]
    mapper = ClipMapper(frame_sampler=WholeVideoSampler(), input_size=(96, 128))
    samples = ClipDataset(records=records, mapper=mapper).samples
    loader = [[sample] for sample in TestDataset(samples=samples, mapper=mapper)]
    evaluator = SegmentationEvaluator(dataset="beating", protocol="all frames")
    results = inference_on_dataset(Bright(), loader, evaluator)
    write_results(results, root / "eval" / "beating")
    for record in records[:2]:
        export_record(
            Bright(),
            record,
            root / "eval" / "beating" / "videos",
            metadata=METADATA,
            input_size=(96, 128),
            num_frames=11,
        )
    lines = [{"iteration": i, "train_seconds": i, "loss": 1 / i} for i in (1, 2, 3)]
    lines.append({"iteration": 3, "train_seconds": 3, "eval/beating/mean_dice": 0.9})
    (root / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return write_report(root, "beating")


def test_everything_is_on_the_page(report):
    page = report.read_text()
    for heading in ("Heart function", "Worst ejection fractions", "Videos", "Training"):
        assert f"<h2>{heading}" in page
    # Distribution, two quantities, two area curves, training.
    assert page.count("data:image/png;base64") == 6 and page.count("data:video/mp4;base64") == 2
    for words in (
        "(reference 40%)",
        "ejection fraction, Site_0",
        "HD95 mm",
        "image quality",
        "Site_1",
        "ejection fraction against reference",
    ):
        assert words in page
    assert not re.search(r"(?:src|href)=['\"](?!data:)", page)  # nothing is loaded from elsewhere


def test_measures_of_an_exported_video(report):
    found = json.loads((report.parent / "videos" / "Site_0_p0.json").read_text())
    (beat,) = found["beats"]
    assert beat["ed"] == 0 and abs(beat["es"] - 10) <= 1
    assert beat["ejection_fraction"] == pytest.approx(100 * 8 / 40, abs=2)
    assert found["steadiness"]["left_atrium"]["dice_of_neighbours"] == 1
    assert found["areas"]["left_ventricle"][0] == pytest.approx(40 * 20 * 0.8**2)


def test_a_structure_has_one_colour(report):
    page = report.read_text()
    # The legend below each video, where the player's controls do not hide it.
    for name, color in (("left ventricle", "#e64b35"), ("left atrium", "#00a087")):
        assert page.count(f"<i style='background:{color}'></i>{name}") == 2
    measures = json.loads((report.parent / "videos" / "Site_0_p0.json").read_text())
    results = json.loads((report.parent / "results.json").read_text())
    plot = plots.area_curves(measures, "p0", plots.colors_of(results["classes"], results))
    picture = Image.open(io.BytesIO(base64.b64decode(plot.partition(",")[2]))).convert("RGB")
    drawn = {color for _, color in picture.getcolors(1 << 20)}
    assert set(METADATA.colors) <= drawn
    without = plots.colors_of(results["classes"], {})  # results of an earlier version
    assert list(without) == list(METADATA.classes) and len(set(without.values())) == 2


def browse(page, tmp_path):
    return subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=20000", "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_no_page_is_wider_than_its_screen(report, tmp_path):
    (tmp_path / "probe.html").write_text(report.read_text() + PROBE)
    frames = "".join(
        f"<iframe src=probe.html style='width:{width}px;border:0'></iframe>"
        for width in (400, 1280)
    )
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<body>{frames}<script>const found = []; onmessage = e => {{ found.push(e.data);"
        "document.body.setAttribute('data-widths', JSON.stringify(found)) }</script>"
    )
    ended = browse(outer, tmp_path)
    widths = json.loads(re.search(r'data-widths="([^"]*)"', ended.stdout)[1])
    # Tables that are wider scroll on their own.
    assert sorted(widths) == [[400, 0], [1280, 0]]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_in_a_browser(report, tmp_path):
    probe = tmp_path / "probe.html"
    probe.write_text(report.read_text() + PROBE)
    ended = browse(probe, tmp_path)
    assert ended.returncode == 0, ended.stderr[-500:]
    assert "CONSOLE" not in ended.stderr
    found = re.search(r'data-found="([^"]*)"', ended.stdout)
    assert json.loads(html.unescape(found[1])) == [pytest.approx(24 / 20, abs=0.06)] * 2
