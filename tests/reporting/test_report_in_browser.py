"""The report: what is on the page, and how it behaves in headless Chromium."""

import html
import json
import re
import shutil
import subprocess

import av
import numpy as np
import pytest
import torch

from lgrseg.data import ClipMapper, DatasetCatalog, MetadataCatalog, WholeVideoSampler
from lgrseg.data.catalog import Metadata
from lgrseg.data.store import read_record, write_video
from lgrseg.data.streams import ClipDataset, TestDataset
from lgrseg.evaluation import SegmentationEvaluator, inference_on_dataset
from lgrseg.evaluation.results import write_results
from lgrseg.modeling.contracts import ClipModel
from lgrseg.reporting import plots
from lgrseg.reporting.export import export_record
from lgrseg.reporting.report import write_report
from lgrseg.reporting.report_parts import mask_cards
from lgrseg.reporting.report_videos import film_of
from lgrseg.structures import ClipPrediction

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
METADATA = Metadata(("left_ventricle", "left_atrium"), ((230, 75, 53), (0, 160, 135)))
DatasetCatalog.register("beating", list)
MetadataCatalog.register("beating", METADATA)
PROBE = """<script>
const page = document.documentElement;
parent.postMessage([innerWidth, page.scrollWidth - page.clientWidth], "*");
</script>"""
USE = """<script>
addEventListener("load", () => {  // which waits for the first frame of every film
  const card = [...document.querySelectorAll(".video")].find(c => c.textContent.includes("_0/p0"));
  const video = card.querySelector("video"), curve = card.querySelector("svg");
  const span = JSON.parse(card.dataset.span), box = curve.getBoundingClientRect();
  const state = () => {
    const moved = card.querySelector(".cursor").getAttribute("transform").match(/[\\d.]+/)[0];
    return {
      frame: card.querySelector("output").textContent, time: video.currentTime,
      cursor: moved / (span[1] - span[0]),
      areas: [...card.querySelectorAll(".now b")].map(place => place.textContent),
    };
  };
  const found = { durations: [...document.querySelectorAll("video")].map(v => v.duration) };
  const x = (span[0] + (span[1] - span[0]) * 10.2 / 23) / curve.viewBox.baseVal.width;
  curve.setPointerCapture = () => {};  // there is no real pointer
  curve.dispatchEvent(new PointerEvent("pointerdown", { clientX: box.left + x * box.width }));
  found.clicked = state();
  const slider = card.querySelector("input");
  slider.value = 17; slider.oninput();
  found.slid = state();
  const screen = card.querySelector(".screen");
  found.left = ["input", "truth", "prediction"].map(view => {
    card.querySelector(`[data-view=${view}]`).click();
    const left = screen.getBoundingClientRect().left - video.getBoundingClientRect().left;
    return Math.round(left / screen.getBoundingClientRect().width);
  });
  document.body.setAttribute("data-found", JSON.stringify(found));
});
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
    for heading in ("Accuracy", "Heart function", "Videos, the worst first", "Training"):
        assert f"<h2>{heading}" in page
    # Dice by structure and site, two of each of two quantities, two area curves, loss, evaluation.
    assert page.count("<svg") == 10 and page.count("<video ") == 2
    for words in (
        "(reference 40%)",
        "ejection fraction, Site_0",
        "HD95 mm",
        "image quality",
        "Site_1",
        "ejection fraction against reference",
    ):
        assert words in page
    # Nothing is loaded but the films beside the page.
    loaded = re.findall(r"(?:src|href)=[\'\"]?([^\s\'\">]*)", page)
    assert {address for address in loaded if not address.startswith(("data:", "#"))} == {
        "videos/Site_0_p0.mp4",
        "videos/Site_1_p1.mp4",
    }
    assert "http" not in page


def test_the_summary_holds_the_headline_numbers(report):
    page = report.read_text()
    results = json.loads((report.parent / "results.json").read_text())
    cards = dict(re.findall(r"<div class=card>([^<]*)<b>([^<]*)", page))
    error = results["heart"]["agreement"]["ejection_fraction"]["mae"]
    assert cards["Dice"] == f"{results['mean']['dice']:.3f}" and cards["Patients"] == "4"
    assert cards["HD95"].strip() == "0.00" and "no frame missed" in page
    assert cards["EF error"].strip() == f"{error:.1f}"


def test_the_summary_has_no_card_without_a_number(report):
    results = json.loads((report.parent / "results.json").read_text())
    results |= {"heart": None, "videos_without_distances": 2}
    cards = {card.name: card for card in mask_cards(results)}
    assert list(cards) == ["Dice", "HD95", "Patients", "Time"]
    assert cards["HD95"].note == "no frame missed; 2 without spacing, left out"


def test_measures_of_an_exported_video(report):
    found = json.loads((report.parent / "videos" / "Site_0_p0.json").read_text())
    (beat,) = found["beats"]
    assert beat["ed"] == 0 and abs(beat["es"] - 10) <= 1
    assert beat["ejection_fraction"] == pytest.approx(100 * 8 / 40, abs=2)
    assert found["steadiness"]["left_atrium"]["dice_of_neighbours"] == 1
    assert found["areas"]["left_ventricle"][0] == pytest.approx(40 * 20 * 0.8**2)


def test_true_areas_lie_beside_the_predicted_ones(report):
    found = json.loads((report.parent / "videos" / "Site_0_p0.json").read_text())
    assert found["annotated"] == {"frames": list(range(24)), "areas": found["areas"]}


def test_a_structure_has_one_colour(report):
    page = report.read_text()
    for name, color in (("left ventricle", "#e64b35"), ("left atrium", "#00a087")):
        # The legend; the header and the readout of each of two videos; two tables.
        assert page.count(f'style="background:{color}"></i>{name}') == 1 + 2 * 2 + 2
        assert page.count(f"stroke: {color}") >= 2  # the curves
    results = json.loads((report.parent / "results.json").read_text())
    without = plots.colors_of(results["classes"], {})  # results of an earlier version
    assert list(without) == list(METADATA.classes) and len(set(without.values())) == 2


def test_panels_of_a_film_are_cut_where_they_lie(report):
    path = report.parent / "videos" / "Site_0_p0.mp4"
    film = film_of(path)
    assert (film.fps, film.num_frames, film.address) == (20, 24, "videos/Site_0_p0.mp4")
    with av.open(str(path)) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    (width, height), offsets = film.panel, film.offsets
    colorful = {}
    for name, left in offsets.items():
        panel = picture[film.top : film.top + height, left : left + width - 1]
        assert panel.shape[:2] == (height, width - 1)  # the film's width is made even
        colorful[name] = np.ptp(panel, axis=2) > 40
    assert (height, width) == (320, 427)  # 427 = 128 * 320 / 96
    # Nothing is drawn into the input; the heart is 1/8 of the frame, and its masks are right.
    assert not colorful["input"].any() and colorful["truth"].mean() > 0.05
    assert (colorful["truth"] != colorful["prediction"]).mean() < 0.01


def browse(page, tmp_path, *options):
    return subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path}/profile", *options, "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_no_page_is_wider_than_its_screen(report, tmp_path):
    probe = report.with_name("width.html")  # where the films are
    probe.write_text(report.read_text() + PROBE)
    frames = "".join(
        f"<iframe src={probe.as_uri()} style='width:{width}px;border:0'></iframe>"
        for width in (400, 1280)
    )
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<body>{frames}<script>const found = []; onmessage = e => {{ found.push(e.data);"
        "document.body.setAttribute('data-widths', JSON.stringify(found)) }</script>"
    )
    ended = browse(outer, tmp_path, "--virtual-time-budget=20000")  # messages come after the load
    widths = json.loads(re.search(r'data-widths="([^"]*)"', ended.stdout)[1])
    # Tables that are wider scroll on their own.
    assert sorted(widths) == [[400, 0], [1280, 0]]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_film_slider_and_curve_move_together(report, tmp_path):
    probe = report.with_name("probe.html")
    probe.write_text(report.read_text() + USE)
    ended = browse(probe, tmp_path)
    assert ended.returncode == 0, ended.stderr[-500:]
    assert "CONSOLE" not in ended.stderr
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', ended.stdout)[1]))
    assert found["durations"] == [pytest.approx(24 / 20, abs=0.06)] * 2
    areas = json.loads((report.parent / "videos" / "Site_0_p0.json").read_text())["areas"]
    for action, frame in (("clicked", 10), ("slid", 17)):
        state = found[action]
        assert state["frame"] == f"frame {frame} of 23"
        assert state["time"] == pytest.approx((frame + 0.5) / 20, abs=0.001)
        assert state["cursor"] == pytest.approx(frame / 23, abs=0.002)
        shown = [f"{values[frame] / 100:.1f}" for values in areas.values()]
        assert state["areas"] == shown
    assert found["left"] == [0, 1, 2]  # panels to the left of what is seen
