"""Result files from masks: volumes of every frame, run lengths, pictures without names."""

import json
from typing import get_args

import cv2
import numpy as np
import pydicom
import pytest
from dicom_clips import dicom_clip
from pycocotools import mask as coco

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import Video
from lgrseg.data.io.dicom_deidentified import deidentified_header
from lgrseg.data.io.dicom_files import read_header
from lgrseg.inference.result import Result
from lgrseg.serve.accepting import View
from lgrseg.serve.corrections import corrected_beats
from lgrseg.serve.job_store import StoredJob
from lgrseg.serve.packed import read_packed
from lgrseg.serve.pipeline import (
    left_ventricle,
    only_inside,
    shown_area,
    write_dicom_report,
    write_results,
)
from lgrseg.serve.reasons import explain

METADATA = Metadata(("left_ventricle",), ((230, 60, 60),))
NEW = {"id": "0" * 32, "owner": "me", "kind": "clip", "model": "clips", "name": "a"}


ONE_BEAT = (22, 19, 15, 13, 15, 19, 22)
"""Half the width of the ellipse in every frame."""


def result_of(spacing=(0.5, 0.5), widths=ONE_BEAT):
    """An ellipse that shrinks and grows within a disc as the fan; a bright text in the corner."""
    masks = np.zeros((len(widths), 96, 96), np.uint8)
    for frame, width in enumerate(widths):
        cv2.ellipse(masks[frame], (48, 50), (width, 34), 0, 0, 360, 1, -1)
    fan = np.zeros((96, 96), np.uint8)
    cv2.circle(fan, (48, 48), 44, 1, -1)
    frames = np.full((len(widths), 96, 96), 80, np.uint8)
    frames[:, :12, :12] = 255
    result = Result.of_clip(Video(frames, spacing, 20.0), None, metadata=METADATA, model="m")
    result.masks, result.fan = masks, fan.astype(bool)
    return result


def stored(**options):
    meta = {"shape": [7, 96, 96], "affine": np.eye(4).tolist()}
    return StoredJob(**NEW, meta=meta, options=options)


def test_a_measured_beat_is_two_of_the_volumes():
    result = result_of()
    facts = left_ventricle(result) | {"frames": 7}
    beat = result.beats[0]
    (again,) = corrected_beats(facts, [(beat.ed_frame, beat.es_frame)])
    assert again["edv_ml"] == pytest.approx(beat.edv_ml, abs=1e-3)
    assert again["ejection_fraction"] == pytest.approx(beat.ejection_fraction, abs=0.01)
    assert left_ventricle(result_of(None))["left_ventricle"]["volume_unit"] != "ml"
    other = result_of()
    other.metadata = Metadata(("liver",), ((1, 2, 3),))
    assert left_ventricle(other) == {"left_ventricle": None}


@pytest.mark.parametrize("hidden", [False, True])
def test_files(tmp_path, hidden):
    result = result_of()
    job = stored(deidentify=True) if hidden else stored()
    write_results(result, job, tmp_path, tmp_path)
    masks = json.loads((tmp_path / "masks.json").read_text())
    decoded = coco.decode(masks["frames"][3]["left_ventricle"])
    assert np.array_equal(decoded, result.masks[3]) and masks["size"] == [96, 96]
    index, data = read_packed((tmp_path / "frames.bin").read_bytes())
    start, length = index["frames"][0]
    picture = cv2.imdecode(np.frombuffer(data[start : start + length], np.uint8), 0)
    assert abs(int(picture[48, 48]) - 80) < 8
    assert picture[2:10, 2:10].mean() < 10 if hidden else picture[2:10, 2:10].mean() > 240
    assert not (tmp_path / "seg.dcm").exists()
    names = {"masks.nii.gz", "overlay.mp4", "preview.png", "labels.bin"}
    assert names <= {file.name for file in tmp_path.iterdir()}


def test_the_report_of_a_dicom_clip(tmp_path):
    highdicom = pytest.importorskip("highdicom", reason="pip install '.[dicom]'")
    from lgrseg.inference.dicom_sr import VIEWS

    assert set(get_args(View)) == set(VIEWS)
    result = result_of(widths=ONE_BEAT[3:6] + 2 * ONE_BEAT[:6])
    result.masks[:, 70:] = 0  # a flat base
    result.made_by = "lgrseg " + 64 * "a"
    dicom_clip(tmp_path / "source.dcm", result.video.frames)
    write_results(result, stored(view="A2C"), tmp_path, tmp_path)
    report = highdicom.sr.ComprehensiveSR.from_dataset(pydicom.dcmread(tmp_path / "report.dcm"))
    beat = report.content.get_image_measurement_groups()[0]
    found = {measure.name: measure.value for measure in beat.get_measurements()}
    assert found[VIEWS["A2C"][2]] == pytest.approx(result.beats[0].ejection_fraction, abs=0.01)
    assert (tmp_path / "seg.dcm").is_file()


def test_dicom_results_without_personal_data_refer_to_a_clip_without(tmp_path):
    pytest.importorskip("highdicom", reason="pip install '.[dicom]'")
    result = result_of(widths=ONE_BEAT[3:6] + 2 * ONE_BEAT[:6])
    result.masks[:, 70:] = 0
    result.made_by = "lgrseg " + 64 * "a"
    original = dicom_clip(tmp_path / "a.dcm", result.video.frames, PatientName="CANARY")
    header = deidentified_header(read_header(original))
    original.unlink()
    header.save_as(tmp_path / "source.dcm", enforce_file_format=False)
    write_results(result, stored(deidentify=True), tmp_path, tmp_path)
    assert not any(b"CANARY" in file.read_bytes() for file in tmp_path.iterdir())
    clip, segments, report = (
        pydicom.dcmread(tmp_path / name) for name in ("clip.dcm", "seg.dcm", "report.dcm")
    )
    assert not clip.pixel_array[:, :4, :4].any() and (clip.pixel_array[:, 48, 48] == 80).all()
    (series,) = segments.ReferencedSeriesSequence
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert series.SeriesInstanceUID == clip.SeriesInstanceUID
    for item in (series, study.ReferencedSeriesSequence[0]):
        references = item.get("ReferencedInstanceSequence") or item.ReferencedSOPSequence
        assert references[0].ReferencedSOPInstanceUID == clip.SOPInstanceUID
    for dataset in (segments, report):
        assert dataset.DeidentificationMethod == clip.DeidentificationMethod
        assert dataset.StudyInstanceUID == clip.StudyInstanceUID
        assert dataset.PatientID == clip.PatientID and dataset.PatientIdentityRemoved == "YES"
    assert clip.BurnedInAnnotation == "YES"  # text within the fan stays
    write_results(result, stored(deidentify=True), tmp_path, tmp_path)  # as with another model
    again = pydicom.dcmread(tmp_path / "clip.dcm")
    assert again.SOPInstanceUID != clip.SOPInstanceUID and again.PatientID == clip.PatientID


def hidden_result(folder):
    """A result whose DICOM results are wanted without personal data."""
    result = result_of()
    result.made_by = "lgrseg " + 64 * "a"
    header = deidentified_header(read_header(dicom_clip(folder / "a.dcm", result.video.frames)))
    header.save_as(folder / "source.dcm", enforce_file_format=False)
    return result


def no_file_there(folder):
    (folder / "clip.dcm").mkdir()


def damaged_header(folder):
    (folder / "source.dcm").write_bytes(b"Jane" * 99)


@pytest.mark.parametrize("fault", [no_file_there, damaged_header])
def test_a_clip_without_patient_that_cannot_be_written_leaves_the_other_results(tmp_path, fault):
    result = hidden_result(tmp_path)
    fault(tmp_path)
    write_results(result, stored(deidentify=True), tmp_path, tmp_path)
    (note,) = [note for note in result.notes if "clip.dcm, cannot be written (" in note]
    assert "no DICOM results" in note and "Jane" not in note and str(tmp_path) not in note
    names = {file.name for file in tmp_path.iterdir() if file.is_file()}
    assert {"masks.nii.gz", "overlay.mp4", "preview.png"} <= names
    assert not {"clip.dcm", ".clip.dcm", "seg.dcm", "report.dcm"} & names


def test_a_full_disk_ends_the_job(tmp_path):
    result = hidden_result(tmp_path)
    (tmp_path / ".clip.dcm").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        write_results(result, stored(deidentify=True), tmp_path, tmp_path)
    assert explain(caught.value)[0]["code"] == "disk_full"


@pytest.mark.parametrize("fan", [None, np.ones((96, 96), bool)])
def test_without_a_fan_only_what_was_segmented_is_shown(fan):
    result = result_of()
    result.fan = fan
    area = shown_area(result)
    assert np.array_equal(area, result.masks[0] > 0)  # the ellipse is largest in this frame
    shown = only_inside(result.video.frames, area)[0]
    assert shown[50, 27] == 80 and not shown[16, 26] and not shown[:12, :12].any()
    result.masks[:] = 0
    assert not shown_area(result).any()


def test_why_there_is_no_report(tmp_path):
    pytest.importorskip("highdicom", reason="pip install '.[dicom]'")
    result = result_of()
    result.masks[:] = 0
    source = dicom_clip(tmp_path / "source.dcm", result.video.frames)
    write_dicom_report(result, source, tmp_path / "report.dcm", "unknown")
    assert not (tmp_path / "report.dcm").exists()
    assert "no DICOM report: there is neither a volume" in result.clip_notes[-1]
    unnamed = dicom_clip(tmp_path / "b.dcm", result.video.frames, StudyInstanceUID=None)
    write_dicom_report(result, unnamed, tmp_path / "report.dcm", "unknown")
    assert "has no StudyInstanceUID" in result.clip_notes[-1]
