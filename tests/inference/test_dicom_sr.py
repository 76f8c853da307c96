"""DICOM structured reports: another reader finds the measures, their codes and their frames."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from bright_disc import CONFIG, OVERRIDES, ROOT, disc_clip
from dicom_clips import dicom_clip
from forked import run_script

from lgrseg.data.phantom.heart import LA, LV, Heart
from lgrseg.data.phantom.scan import Scan, Scanner
from lgrseg.inference import BeatMeasures, Existing, FilePredictor, Measurements, Predictor

highdicom = pytest.importorskip("highdicom", reason="pip install '.[dicom]'")

from lgrseg.inference.dicom_sr import VIEWS, is_own_report, write_dicom_sr  # noqa: E402

NUM_FRAMES = 40  # of 24 in a beat
MADE_BY = "lgrseg " + 64 * "a"
MEASURED = Measurements(
    "mm2",
    {},
    {},
    beats=[
        BeatMeasures(2, 9, 100.0, 45.0, 55.0),
        BeatMeasures(1, 0, 1.0, 1.0, 0.0, ("ED may lie before the recording",)),
        BeatMeasures(20, 28, 104.0, 52.0, 50.0),
    ],
    ejection_fraction=52.5,
)


def write(clip, path, view="A4C", measured=MEASURED, **more) -> pydicom.Dataset:
    assert write_dicom_sr(path, measured, clip=clip, view=view, made_by=MADE_BY, **more) == ""
    return pydicom.dcmread(path)


def groups_of(report) -> dict[str, dict]:
    """Group -> code -> (value, unit), and the frames, by highdicom's reader."""
    tree = highdicom.sr.ComprehensiveSR.from_dataset(report).content
    found = {}
    for group in tree.get_image_measurement_groups():
        measures = {m.name.value: (m.value, m.unit.value) for m in group.get_measurements()}
        frames = [image.referenced_frame_numbers for image in group.source_images]
        found[group.tracking_identifier] = measures | {"frames": frames[0]}
    return found


@pytest.fixture
def clip(tmp_path):
    return dicom_clip(tmp_path / "clip.dcm", np.full((30, 5, 7), 9))


def test_each_whole_beat_and_their_mean(clip, tmp_path):
    groups = groups_of(write(clip, tmp_path / "sr.dcm"))
    assert groups == {
        "beat 1": {
            "79999-9": (100, "mL"),
            "80004-5": (45, "mL"),
            "79993-2": (55, "%"),
            "frames": [3, 10],
        },
        "beat 2": {
            "79999-9": (104, "mL"),
            "80004-5": (52, "mL"),
            "79993-2": (50, "%"),
            "frames": [21, 29],
        },
        "mean of 2 beats": {
            "79999-9": (102, "mL"),
            "80004-5": (48.5, "mL"),
            "79993-2": (52.5, "%"),
            "frames": None,
        },
    }


def test_a_view_is_stated_only_if_the_user_does(clip, tmp_path):
    text = str(write(clip, tmp_path / "sr.dcm", "unknown"))
    assert "4C" not in text and "18043-0" in text and "125208" in text
    assert "2C (MOD)" in str(write(clip, tmp_path / "sr.dcm", "A2C"))
    with pytest.raises(ValueError, match="no view 'PLAX' for a DICOM report; use A4C, A2C"):
        write(clip, tmp_path / "sr.dcm", "PLAX")


def test_it_belongs_to_the_study_and_is_preliminary(clip, tmp_path):
    report = write(clip, tmp_path / "sr.dcm", doubts=["no fan was found"])
    assert report.PatientName == "Jürgensen^Åse" and report.StudyInstanceUID == "1.2.1"
    assert report.SeriesInstanceUID != "1.2.2" and report.SOPInstanceUID != "1.2.3"
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert report.CompletionFlagDescription.endswith("not verified; no fan was found")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3"
    assert is_own_report(tmp_path / "sr.dcm") and not is_own_report(clip)
    first = (tmp_path / "sr.dcm").read_bytes()
    write(clip, tmp_path / "sr.dcm", doubts=["no fan was found"])
    assert (tmp_path / "sr.dcm").read_bytes() == first


@pytest.mark.parametrize("view", VIEWS)
def test_the_real_clip_is_valid(view, shared_data, tmp_path):
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed: apt install dicom3tools")
    write(shared_data / "echo_clips" / "examples_ybr_color.dcm", tmp_path / "sr.dcm", view)
    done = subprocess.run(["dciodvfy", "-new", tmp_path / "sr.dcm"], capture_output=True, text=True)
    assert "ComprehensiveSR" in done.stderr  # it knows the kind of file
    assert not [line for line in done.stderr.splitlines() if line.startswith("Error")]


def test_without_measures_there_is_a_note(clip, tmp_path):
    empty = Measurements("mm2", {}, {}, beats=[MEASURED.beats[1]])
    settings = {"clip": clip, "view": "A4C", "made_by": MADE_BY}
    why = write_dicom_sr(tmp_path / "sr.dcm", empty, **settings)
    assert "neither a volume nor an ejection fraction" in why
    assert not (tmp_path / "sr.dcm").exists()
    ratio = Measurements("pixels", {}, {}, beats=[BeatMeasures(0, 5, None, None, 60.0)])
    report = write(clip, tmp_path / "sr.dcm", "unknown", ratio)
    assert groups_of(report) == {"beat 1": {"18043-0": (60, "%"), "frames": [1, 6]}}


class KnowsTheHeart(Predictor):
    """Draws the true masks of a simulated heart, whose beats are whole, instead of predicting."""

    def draw_masks(self, result, *, boxes=None):
        scan = Scan(Heart(), Scanner(), NUM_FRAMES, seed=0)
        labels = np.stack([scan.labels(frame) for frame in range(NUM_FRAMES)])
        names = {LV: "left_ventricle", LA: "left_atrium"}
        result.masks = np.zeros(labels.shape, np.uint8)
        for value, name in names.items():
            result.masks[labels == value] = 1 + self.metadata.classes.index(name)


@pytest.fixture
def of_the_heart(tmp_path):
    size = Scan(Heart(), Scanner(), 1, seed=0).labels(0).shape
    spacing = [Scanner().mm_per_pixel] * 2
    frames = np.full((NUM_FRAMES, *size), 9)
    return dicom_clip(tmp_path / "clip.dcm", frames, FrameTime="41.7", PixelSpacing=spacing)


@pytest.mark.slow
def test_the_files_of_a_clip(run, of_the_heart, tmp_path):
    predictor = KnowsTheHeart(members=Predictor.from_run(run, device="cpu").members, crop=False)
    clip, stem, report = of_the_heart, tmp_path / "out" / "clip", tmp_path / "out" / "clip_sr.dcm"
    segment = FilePredictor(predictor, dicom_sr="unknown")
    outcome = segment(clip, stem)
    (first, *_) = [beat for beat in outcome.facts["beats"] if not beat["problems"]]
    group = groups_of(pydicom.dcmread(report))["beat 1"]
    assert group["18026-5"] == (pytest.approx(first["edv_ml"], abs=0.01), "mL")
    assert group["18043-0"][0] == pytest.approx(100 * Heart().ejection_fraction(), abs=2.5)
    assert group["frames"] == [first["ed_frame"] + 1, first["es_frame"] + 1]
    report.write_text("mine")
    with pytest.raises(FileExistsError, match="clip_sr.dcm exists and was not written"):
        segment(clip, stem)
    report.unlink()
    assert FilePredictor(predictor, dicom_sr="A4C")(clip, stem).was_there  # the masks
    assert "79999-9" in groups_of(pydicom.dcmread(report))["beat 1"]
    FilePredictor(predictor, existing=Existing.REPLACE)(clip, stem)
    assert not report.exists()  # it belonged to the masks that were replaced


def test_the_command(weights, tmp_path):
    dicom_clip(tmp_path / "a.dcm", disc_clip(3)[0])
    words = ["--config-file", CONFIG, "--weights", weights, "--dicom-sr", "A4C", *OVERRIDES]
    tool = ROOT / "tools" / "predict.py"
    done = run_script(tool, [tmp_path / "a.dcm", "--output", tmp_path / "out", *words])
    assert done.returncode == 0, done.stderr
    assert "a.dcm: no DICOM report: there is neither" in done.stderr  # three frames of a disc
    assert not (tmp_path / "out" / "a_sr.dcm").exists()
