"""lgrseg.Predictor in Python: what it takes, what a result holds and saves, ensembles."""

import csv
import json
import shutil

import nibabel
import numpy as np
import pytest
from bright_disc import dice, disc_clip

import lgrseg
from lgrseg.config import load_config, save_config
from lgrseg.data.catalog import Metadata
from lgrseg.inference import mask_array
from lgrseg.inference.run_files import run_files
from lgrseg.modeling.contracts import ClipModel

FRAMES, DISCS = disc_clip(6)


@pytest.fixture(scope="module")
def predictor(run):
    return lgrseg.Predictor.from_run(run)


@pytest.fixture(scope="module")
def result(predictor):
    return predictor(FRAMES, spacing_mm=(0.5, 0.4), fps=12.5)


def test_an_array_a_file_and_a_video_give_the_same_masks(predictor, result, tmp_path):
    assert dice(result.masks, DISCS) > 0.9 and result.masks.dtype == np.uint8
    image = nibabel.Nifti1Image(FRAMES.transpose(2, 1, 0), np.diag([0.4, 0.5, 1, 1]))
    nibabel.save(image, tmp_path / "clip.nii.gz")
    from_file = predictor(tmp_path / "clip.nii.gz")
    assert np.array_equal(from_file.masks, result.masks) and from_file.name == "clip"
    assert from_file.video.spacing_mm == pytest.approx((0.5, 0.4))
    video = lgrseg.read_video(tmp_path / "clip.nii.gz")
    assert np.array_equal(predictor(video).masks, result.masks)
    colour = np.repeat(FRAMES[..., None], 3, axis=-1)
    assert np.array_equal(predictor(colour, spacing_mm=1).masks, result.masks)


def test_every_frame_is_reported_and_an_error_ends_the_prediction(predictor):
    seen = []
    prepared = predictor.prepare(FRAMES)
    predictor.draw_masks(prepared, on_frame=seen.append)
    assert seen == list(range(6))
    with pytest.raises(InterruptedError):
        predictor.draw_masks(prepared, on_frame=_interrupt)


def _interrupt(index):
    raise InterruptedError(index)


def test_areas_are_pixels_times_spacing(predictor, result):
    pixels = (result.masks == 1).sum(axis=(1, 2))
    assert result.areas["left_ventricle"] == pytest.approx(pixels * 0.5 * 0.4)
    assert result.area_unit == "mm2" and list(result.areas) == list(result.metadata.classes)
    in_pixels = predictor(FRAMES)
    assert in_pixels.area_unit == "pixels"
    assert in_pixels.areas["left_ventricle"].tolist() == pixels.tolist()
    assert any("spacing is not known" in note for note in in_pixels.notes)
    assert not any("spacing" in note for note in result.notes)


def test_saved_files_hold_what_the_result_says(result, tmp_path):
    names = [file.name for file in result.save(tmp_path / "out", name="heart")]
    kinds = ("masks.nii.gz", "overlay.mp4", "measurements.json", "preview.png")
    assert names == [*(f"heart_{kind}" for kind in kinds), "measurements.csv"]
    image = nibabel.load(tmp_path / "out" / "heart_masks.nii.gz")
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), result.masks)
    assert image.header.get_zooms()[:2] == pytest.approx((0.4, 0.5))
    facts = json.loads((tmp_path / "out" / "heart_measurements.json").read_text())
    assert facts["areas"]["left_ventricle"] == pytest.approx(result.areas["left_ventricle"])
    assert facts["spacing_mm"] == [0.5, 0.4] and facts["fps"] == 12.5 and facts["frames"] == 6
    assert facts["notes"] == result.notes and facts["doubts"] == result.doubts
    assert facts["model"] == result.model and facts["area_unit"] == "mm2"


def test_the_table_has_a_line_for_every_clip(result, tmp_path):
    result.save(tmp_path, name="b")
    result.save(tmp_path, name="a")
    result.save(tmp_path, name="b")  # again: its files and its line are replaced
    with open(tmp_path / "measurements.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["clip"] for line in lines] == ["a", "b"]
    assert list(lines[0])[:16] == [
        "clip", "frames", "fps", "row_spacing_mm", "column_spacing_mm", "beats", "whole_beats",
        "first_ed_frame", "first_es_frame", "mean_edv_ml", "mean_esv_ml",
        "ejection_fraction_percent", "area_unit", "doubts", "notes", "model",
    ]  # fmt: skip
    mean = result.areas["left_ventricle"].mean()
    assert float(lines[0]["left_ventricle_mean_area"]) == pytest.approx(mean, abs=1e-3)
    assert lines[0]["row_spacing_mm"] == "0.5" and lines[0]["area_unit"] == "mm2"
    assert "; ".join(result.notes) == lines[1]["notes"]


def test_what_was_not_written_here_stays(result, tmp_path):
    (tmp_path / "a_preview.png").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a_preview.png exists and was not"):
        result.save(tmp_path, name="a")
    assert [file.name for file in tmp_path.iterdir()] == ["a_preview.png"]
    (tmp_path / "measurements.csv").write_text("patient,age\n")
    with pytest.raises(FileExistsError, match=r"measurements.csv exists and was not"):
        result.save(tmp_path, name="b")
    assert len(list(tmp_path.iterdir())) == 2


def test_large_masks_lie_in_a_file(predictor, result, monkeypatch):
    monkeypatch.setattr(mask_array, "IN_MEMORY_BYTES", 1000)
    mapped = predictor(FRAMES, spacing_mm=(0.5, 0.4), fps=12.5)
    assert isinstance(mapped.masks, np.memmap) and np.array_equal(mapped.masks, result.masks)
    assert mapped.measurements == result.measurements


@pytest.mark.parametrize(
    ("array", "what"),
    [
        (np.zeros((8, 8)), r"shape \(8, 8\) is no clip.*frame\[None\]"),
        (np.zeros((8, 8, 3)), r"looks like one colour frame"),
        (np.zeros((2, 3, 8, 8)), r"channels come last"),
        (np.zeros((0, 8, 8)), "is no clip"),
    ],
)
def test_other_arrays_are_refused(predictor, array, what):
    with pytest.raises(ValueError, match=what):
        predictor(array)


@pytest.mark.parametrize("spacing", [0, (1, -1), (1, 2, 3), float("nan")])
def test_impossible_spacings_and_rates_are_refused(predictor, spacing):
    with pytest.raises(ValueError, match="two numbers above 0, or one for both"):
        predictor(FRAMES, spacing_mm=spacing)
    with pytest.raises(ValueError, match="fps=0"):
        predictor(FRAMES, fps=0)


def test_the_files_of_a_run(run, tmp_path):
    assert run_files(run)[1].name == "last.safetensors"
    shutil.copytree(run, tmp_path / "run")
    best = tmp_path / "run" / "checkpoints" / "best.safetensors"
    shutil.copy(run / "checkpoints" / "last.safetensors", best)
    assert run_files(tmp_path / "run")[1] == best
    assert run_files(tmp_path / "run", "last")[1].name == "last.safetensors"
    with pytest.raises(FileNotFoundError, match="is no run: it has no config.yaml"):
        lgrseg.Predictor.from_run(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has no checkpoint .*best.safetensors"):
        lgrseg.Predictor.from_run(run, weights="best")


def test_an_ensemble_of_equal_runs_draws_the_masks_of_one(predictor, result, run):
    both = lgrseg.Predictor.from_run([run, run])
    assert np.array_equal(both(FRAMES).masks, result.masks)
    assert both.name == f"{run} + {run}" and both.mark != predictor.mark


class Nothing(ClipModel):
    """Finds no class anywhere: its probability is 0."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, clips):
        (found,) = self.model(clips)
        found.present[:] = False
        return [found]


def test_two_members_of_three_decide(run, result):
    predictor = lgrseg.Predictor.from_run([run, run, run])
    predictor.members[2].model = Nothing(predictor.members[2].model)
    # The disc's probability falls to two thirds of what it was, and stays above one half.
    assert dice(predictor(FRAMES).masks, DISCS) > 0.85
    predictor.members[1].model = Nothing(predictor.members[1].model)
    assert not predictor(FRAMES).masks.any()
    assert "its masks are empty in every frame" in predictor(FRAMES).doubts


def test_runs_of_different_sizes_and_windows_are_averaged(run, result, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    cfg = load_config(run / "config.yaml")
    mapper = cfg.dataloader.test.camus_4ch_val.mapper
    mapper.input_size = [96, 64]
    save_config(cfg, tmp_path / "run" / "config.yaml")
    both = lgrseg.Predictor.from_run([run, tmp_path / "run"])(FRAMES)
    assert dice(both.masks, DISCS) > 0.9


def test_members_of_other_classes_are_refused(run):
    members = [*lgrseg.Predictor.from_run([run, run]).members]
    members[1].metadata = Metadata(("polyp",), ((1, 2, 3),))
    with pytest.raises(ValueError, match=r"averages runs of the same classes.*has polyp"):
        lgrseg.Predictor(members=members)
    with pytest.raises(ValueError, match="give the folder of a run, or several"):
        lgrseg.Predictor.from_run([])


def test_test_time_augmentation(run, result):
    predictor = lgrseg.Predictor.from_run(run, tta=True)
    averaged = predictor(FRAMES, spacing_mm=(0.5, 0.4))
    assert dice(averaged.masks, DISCS) > 0.9
    assert averaged.model == f"{run} (test-time augmentation)"
    assert averaged.made_by != result.made_by


def test_boxes_are_refused_by_a_model_that_takes_none(predictor):
    with pytest.raises(ValueError, match="is a PerPixelSegmenter, which takes no boxes"):
        predictor(FRAMES, boxes=[])
