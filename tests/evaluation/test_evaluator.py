"""lgrseg/evaluation: evaluator, results, export and report on two small videos."""

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch

from lgrseg.data import ClipMapper, DatasetCatalog, MetadataCatalog, WholeVideoSampler
from lgrseg.data.catalog import Metadata
from lgrseg.data.store import read_masks, read_record, write_video
from lgrseg.data.streams import ClipDataset, TestDataset
from lgrseg.evaluation import SegmentationEvaluator, inference_on_dataset
from lgrseg.evaluation.results import plain, write_results
from lgrseg.modeling.contracts import ClipModel
from lgrseg.reporting.export import export_record
from lgrseg.reporting.report import write_report
from lgrseg.reporting.tables import print_results, with_interval
from lgrseg.structures import ClipPrediction

METADATA = Metadata(classes=("square", "nothing"), colors=((255, 0, 0), (0, 255, 0)))
DatasetCatalog.register("squares", list)
MetadataCatalog.register("squares", METADATA)


class Threshold(ClipModel):
    """A "model" that calls every bright pixel a square; `error` moves its threshold."""

    num_classes = 2

    def __init__(self, *, error=0.0):
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(0.5 + error))

    def forward(self, clips):
        return [
            ClipPrediction(
                mask_logits=torch.stack([c.frames[:, 0] - self.level] * 2),
                class_probs=torch.tensor([0.9, 0.1]),
                present=torch.tensor([True, False]),
            )
            for c in clips
        ]


def mapper():
    return ClipMapper(frame_sampler=WholeVideoSampler(), input_size=(32, 48))


def loader(records):
    samples = ClipDataset(records=records, mapper=mapper()).samples
    return [[sample] for sample in TestDataset(samples=samples, mapper=mapper())]


@pytest.fixture
def results(make_video):
    records = [
        make_video("a", annotated=(1, 3), patient="p1"),
        make_video("b", annotated=(2,), patient="p2"),
    ]
    evaluator = SegmentationEvaluator(dataset="squares", protocol="all frames")
    model = Threshold().train()
    found = inference_on_dataset(model, loader(records), evaluator)
    assert model.training  # put back
    return found


def test_results_of_a_perfect_model(results):
    perfect = dict.fromkeys(("dice", "iou", "sensitivity", "precision", "nsd"), 1)
    perfect |= dict.fromkeys(("hd", "hd95", "assd", "mad", "missed"), 0)
    assert results["classes"]["square"] == perfect | {"dice_ci95": None}  # of two patients
    # The other class is in no truth and no prediction: it has no score, and takes no part.
    silent = dict.fromkeys(perfect) | {"missed": 0, "dice_ci95": None}
    assert results["classes"]["nothing"] == silent
    assert results["mean"]["dice"] == 1 and results["dice_ci95"] is None
    assert results["mean"]["missed"] == 0
    assert results["mean_by_rule"] == {"skip": 1, "one": 1, "zero": 0.5}
    assert (results["num_frames"], results["num_clips"], results["num_patients"]) == (3, 2, 2)
    assert results["sites"]["Site_A"]["dice"] == 1
    assert results["videos"]["a"] == results["patients"]["p1"] == {"square": 1, "nothing": None}
    json.dumps(results, allow_nan=False)


def test_a_ventricle_at_the_edge_of_the_fan_is_doubtful(tmp_path, monkeypatch):
    classes = Metadata(classes=("left_ventricle", "wall"), colors=METADATA.colors)
    monkeypatch.setattr(MetadataCatalog, "_described", {"hearts": classes})
    frames = np.zeros((5, 100, 120), np.uint8)
    noise = np.random.default_rng(0).integers(40, 255, (5, 80, 70))
    frames[:, 10:90, 20:90] = noise  # the fan
    masks = {1: np.zeros((140, 160), np.uint8), 3: np.zeros((140, 160), np.uint8)}
    masks[1][50:110, 70:100] = 1  # in the middle of the fan
    masks[3][60:110, 110:130] = 1  # at its right edge, column 40 + 90
    meta = {"video_id": "a", "patient": "p", "sources": [], "spacing_mm": [1, 1], "fps": 10}
    meta |= {"site": "", "view": "", "original_size": [140, 160], "crop_box": [30, 40, 130, 160]}
    meta |= {"ed_frame": 1, "es_frame": 3}
    record = read_record(write_video(tmp_path, frames, masks, meta))
    evaluator = SegmentationEvaluator(dataset="hearts", protocol="")
    found = inference_on_dataset(Threshold(), loader([record]), evaluator)
    (case,) = found["heart"]["cases"]
    edge = [problem for problem in case["truth"]["problems"] if "edge" in problem]
    assert edge == ["ES: cut off by the edge of the fan"]


def test_a_wrong_model_scores_less(make_video):
    evaluator = SegmentationEvaluator(dataset="squares", protocol="")
    blind = inference_on_dataset(Threshold(error=9), loader([make_video("a")]), evaluator)
    assert blind["mean"]["dice"] == 0


def test_two_processes_find_what_one_finds(make_video, monkeypatch):
    samples = loader(
        [make_video(f"v{i}", annotated=(1, 2), patient=f"p{i // 2}") for i in range(4)]
    )
    together = SegmentationEvaluator(dataset="squares", protocol="")
    model = Threshold(error=0.2)
    whole = inference_on_dataset(model, samples, together)
    parts = [SegmentationEvaluator(dataset="squares", protocol="") for _ in range(2)]
    for rank, part in enumerate(parts):
        with torch.inference_mode():
            for ((record, anchor, clip, targets),) in samples[1 - rank :: 2]:
                part.process(record, anchor, clip, targets, model([clip])[0])
    rows = [(part._rows, part._seconds) for part in parts]
    monkeypatch.setattr("lgrseg.evaluation.row_evaluator.all_gather_object", lambda own: rows)
    merged = parts[0].evaluate()
    merged.pop("seconds_per_clip")
    whole.pop("seconds_per_clip")
    assert merged == whole


def test_truth_of_another_size(make_video):
    record = make_video("a")
    np.savez(
        f"{record.folder}/masks.npz",
        frame_indices=np.array([2]),
        masks=np.zeros((1, 41, 60), np.uint8),
    )
    evaluator = SegmentationEvaluator(dataset="squares", protocol="")
    with pytest.raises(ValueError, match=r"a, frame 2: the truth has shape \(41, 60\)"):
        inference_on_dataset(Threshold(), loader([record]), evaluator)


def test_a_label_that_is_no_class(make_video):
    record = make_video("a")
    masks = read_masks(record)
    np.savez(
        f"{record.folder}/masks.npz",
        frame_indices=np.array([2]),
        masks=np.full((1, *masks[2].shape), 7, np.uint8),
    )
    evaluator = SegmentationEvaluator(dataset="squares", protocol="")
    with pytest.raises(
        ValueError, match="a, frame 2: found label 7; labels are 0 \(background\) to 2"
    ):
        inference_on_dataset(Threshold(), loader([record]), evaluator)


def test_a_model_of_other_classes_and_an_augmented_clip(make_video):
    evaluator = SegmentationEvaluator(dataset="squares", protocol="")
    ((record, anchor, clip, targets),) = loader([make_video("a")])[0]
    (prediction,) = Threshold()([clip])
    evaluator.classes = ("square",)
    with pytest.raises(ValueError, match="predicts 2 classes, squares has 1: square"):
        evaluator.process(record, anchor, clip, targets, prediction, 0.0)
    evaluator.classes = METADATA.classes
    with pytest.raises(ValueError, match="a was augmented"):
        evaluator.process(record, anchor, replace(clip, geometry=None), targets, prediction, 0.0)


def test_a_clip_that_comes_twice_counts_once(make_video):
    samples = loader([make_video("a"), make_video("b", patient="p2")])
    evaluator = SegmentationEvaluator(dataset="squares", protocol="")
    assert inference_on_dataset(Threshold(), [*samples, samples[0]], evaluator)["num_frames"] == 2


def test_nothing_to_evaluate():
    with pytest.raises(ValueError, match="squares has no annotated frame"):
        SegmentationEvaluator(dataset="squares", protocol="").evaluate()


def test_what_is_not_finite_is_null_in_the_file(tmp_path):
    file = write_results({"mean": {"dice": float("nan")}}, tmp_path)
    assert json.loads(file.read_text()) == {"mean": {"dice": None}}


def test_plain():
    assert plain({"a": np.float64("nan"), "b": [np.int64(2), float("inf")], "c": "x"}) == {
        "a": None,
        "b": [2, None],
        "c": "x",
    }


def test_table(results, capsys):
    print_results(results)
    shown = capsys.readouterr().out
    assert "square" in shown and "1.0000" in shown and "2 patients" in shown
    assert "missed" in shown and "Distances leave out" not in shown
    assert "[not" in shown  # given: the terminal takes no text in brackets for a style
    results["mean"]["missed"] = results["classes"]["square"]["missed"] = 1
    print_results(results)
    assert "Distances leave out the frames" in capsys.readouterr().out


def test_an_interval_of_few_patients_is_not_shown():
    assert with_interval(0.9099, None, 2) == "0.9099 [not given: 2 patients]"
    assert with_interval(0.91, [0.9, None], 9, digits=2) == "0.91 [0.90, -]"
    # The correlation of eight equal values: not for want of patients.
    assert with_interval(None, None, 8) == with_interval(float("nan"), None, 8) == "-"


def test_export_and_report(results, make_video, tmp_path):
    folder = tmp_path / "run" / "eval" / "squares"
    record = make_video("Site_A/<b>", annotated=(2,))
    results["videos"]["Site_A/<b>"] = {"square": 1.0, "nothing": None}
    write_results(results, folder)
    video = export_record(
        Threshold(),
        record,
        folder / "videos",
        metadata=METADATA,
        input_size=(32, 48),
        num_frames=3,
    )
    assert video.name == "Site_A_<b>.mp4" and video.stat().st_size > 500
    masks = nibabel.load(folder / "videos" / "Site_A_<b>_masks.nii.gz")
    assert masks.shape == (60, 40, 5) and masks.header.get_zooms()[:2] == (0.5, 0.5)
    truth = read_masks(record)[2]
    assert np.array_equal(np.asarray(masks.dataobj)[..., 2].T, truth)
    lines = [
        {"iteration": 1, "train_seconds": 2, "loss": 3.0},
        {"iteration": 2, "train_seconds": 4, "eval/squares/mean_dice": 0.5},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    cut = '\n{"iteration": 3, "train_sec'  # the process was killed in the middle of a line
    (tmp_path / "run" / "metrics.jsonl").write_text(text + cut)
    page = write_report(tmp_path / "run", "squares").read_text()
    assert "<h3>Site_A/&lt;b&gt;</h3>" in page and "Site_A/<b>" not in page  # names are escaped
    assert "<b>Dice 1.000</b>" in page and 'src="videos/Site_A_%3Cb%3E.mp4"' in page
    assert "1.0000" in page and "http" not in page and "<svg" in page
    assert "frame (20 per second)" in page  # the film has 1 per second, because it is short
