"""Orthanc as the PACS: it sends clips to `lgrseg dicom-listen`, and gets masks and reports back.

    pytest -m slow tests/pacs/test_orthanc.py -s

-s shows figures. DICOM files that come back are checked by dciodvfy, if it is installed.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest
from bright_disc import ROOT, dice, disc_clip
from dicom_clips import dicom_clip
from orthanc_server import DICOMWEB, TITLE, OrthancServer, free_port

from lgrseg.data.phantom.heart import LA, LV, Heart
from lgrseg.data.phantom.scan import Scan, Scanner

pytest.importorskip("pynetdicom", reason="pip install '.[dicom]'")
highdicom = pytest.importorskip("highdicom", reason="pip install '.[dicom]'")
pytestmark = pytest.mark.slow
EJECTION_FRACTION = "79993-2"
"""LOINC: of the left ventricle, single plane, apical four-chamber view."""


@contextlib.contextmanager
def pacs_and_listener(folder, *words, more=None):
    """Orthanc and the listener as their users start them; each knows the other."""
    port = free_port()
    with OrthancServer(folder / "orthanc", more, lgrseg=["LGRSEG", "127.0.0.1", port]) as orthanc:
        words = [
            "--output", folder / "out", "--port", port, "--allow", TITLE, "--view", "A4C",
            "--peer", f"{TITLE}@127.0.0.1:{orthanc.dicom_port}", *words,
        ]  # fmt: skip
        log = folder / "listener.log"
        listener = subprocess.Popen(
            [sys.executable, "-m", "lgrseg", "dicom-listen", *map(str, words)],
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            end = time.monotonic() + 120
            while "listens on" not in log.read_text():
                assert listener.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.1)
            print(f"\nOrthanc {orthanc.version}")
            yield orthanc, log
        finally:
            listener.terminate()
            listener.wait(120)


def put_and_send(orthanc, clip) -> pydicom.Dataset:
    """Store a clip in Orthanc, have it sent to the listener, and read what was stored."""
    stored = orthanc.post("/instances", clip.read_bytes())["ID"]
    sent = orthanc.post("/modalities/lgrseg/store", [stored])
    assert sent["FailedInstancesCount"] == 0
    return orthanc.file(stored)


def masks_of(segmentation, name) -> np.ndarray:
    """(T, H, W) bool of a class, by its frames' references to the clip."""
    (number,) = (s.SegmentNumber for s in segmentation.SegmentSequence if s.SegmentLabel == name)
    found = {}
    places = segmentation.PerFrameFunctionalGroupsSequence
    for place, mask in zip(places, segmentation.pixel_array, strict=True):
        if place.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            image = place.DerivationImageSequence[0].SourceImageSequence[0]
            found[image.ReferencedFrameNumber] = mask > 0
    assert sorted(found) == list(range(1, len(found) + 1))
    return np.stack([found[frame] for frame in sorted(found)])


def check_references(dataset, clip, folder):
    """It is of the clip's patient and study, another series, and valid."""
    assert (dataset.PatientName, dataset.PatientID) == (clip.PatientName, clip.PatientID)
    assert dataset.StudyInstanceUID == clip.StudyInstanceUID
    assert dataset.SeriesInstanceUID != clip.SeriesInstanceUID
    if shutil.which("dciodvfy"):
        dataset.save_as(folder / "returned.dcm")
        command = ["dciodvfy", "-new", folder / "returned.dcm"]
        told = subprocess.run(command, capture_output=True, text=True).stderr
        assert not [line for line in told.splitlines() if line.startswith("Error")]


def test_the_disc_of_a_clip_comes_back(run, tmp_path):
    frames, discs = disc_clip(5)
    with pacs_and_listener(tmp_path, "--run", run) as (orthanc, log):
        clip = put_and_send(orthanc, dicom_clip(tmp_path / "clip.dcm", frames))
        segmentation = orthanc.wait_for("SEG", seconds=120)
        masks = masks_of(segmentation, "left_ventricle")
        print(f"Dice of the disc {dice(masks, discs):.3f}")
        assert dice(masks, discs) > 0.95
        check_references(segmentation, clip, tmp_path)
        (series,) = segmentation.ReferencedSeriesSequence
        (image,) = series.ReferencedInstanceSequence
        assert series.SeriesInstanceUID == clip.SeriesInstanceUID
        assert image.ReferencedSOPInstanceUID == clip.SOPInstanceUID
        (study,) = orthanc.get("/studies?expand")
        assert len(study["Series"]) == 2
        # The same clip once more gives the same object, which Orthanc knows already.
        put_and_send(orthanc, tmp_path / "clip.dcm")
        end = time.monotonic() + 120
        while log.read_text().count("finished, sent to") < 2:
            assert "failed" not in log.read_text() and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        assert orthanc.wait_for("SEG", seconds=0).SOPInstanceUID == segmentation.SOPInstanceUID
        assert orthanc.instances("SR") == []  # frames of a disc are no beat


def test_masks_and_report_of_a_simulated_heart_come_back(tmp_path):
    scan = Scan(Heart(shift=-6), Scanner(), 40, seed=0)
    facts = {"FrameTime": "41.7", "PixelSpacing": [scan.scanner.mm_per_pixel] * 2}
    labels = np.stack([scan.labels(frame) for frame in range(scan.num_frames)])
    with pacs_and_listener(tmp_path) as (orthanc, _):
        clip = put_and_send(orthanc, dicom_clip(tmp_path / "clip.dcm", scan.frames(), **facts))
        report = orthanc.wait_for("SR", seconds=240)
        segmentation = orthanc.wait_for("SEG", seconds=0)
    for name, value in (("left_ventricle", LV), ("left_atrium", LA)):
        score = dice(masks_of(segmentation, name), labels == value)
        print(f"Dice of the {name}: {score:.3f}")
        assert score > 0.85
    for dataset in (segmentation, report):
        check_references(dataset, clip, tmp_path)
    tree = highdicom.sr.ComprehensiveSR.from_dataset(report).content
    beat = tree.get_image_measurement_groups()[0]
    values = {measure.name.value: measure.value for measure in beat.get_measurements()}
    truth = 100 * scan.heart.ejection_fraction()
    print(f"ejection fraction {values[EJECTION_FRACTION]:.1f}, that of the heart {truth:.1f}")
    assert values[EJECTION_FRACTION] == pytest.approx(truth, abs=5)
    (image,) = beat.source_images
    assert image.referenced_sop_instance_uid == clip.SOPInstanceUID
    assert len(image.referenced_frame_numbers) == 2  # end-diastole and end-systole


def test_a_compressed_clip_arrives_as_it_is(run, shared_data, tmp_path):
    path = shared_data / "echo_clips" / "examples_ybr_color.dcm"
    with pacs_and_listener(tmp_path, "--run", run) as (orthanc, _):
        clip = put_and_send(orthanc, path)
        segmentation = orthanc.wait_for("SEG", seconds=120)
    (received,) = map(pydicom.dcmread, tmp_path.glob("out/finished/*.dcm"))
    assert received.PixelData == clip.PixelData == pydicom.dcmread(path).PixelData
    assert received.file_meta.TransferSyntaxUID == clip.file_meta.TransferSyntaxUID
    assert masks_of(segmentation, "left_ventricle").shape == (30, 240, 320)
    check_references(segmentation, clip, tmp_path)


def test_an_archive_with_dicomweb_gets_results_through_a_router(run, tmp_path):
    if not DICOMWEB.exists():
        pytest.skip("Orthanc has no DICOMweb: apt-get install orthanc-dicomweb")
    frames, discs = disc_clip(5)
    path = dicom_clip(tmp_path / "clip.dcm", frames)
    plugin = {"Plugins": [str(DICOMWEB)]}
    with OrthancServer(tmp_path / "archive", plugin) as archive:
        archive.post("/instances", path.read_bytes())
        settings = {
            "LuaScripts": [str(ROOT / "deploy" / "orthanc_router.lua")],
            "DicomWeb": {"Enable": True, "Servers": {"archive": [archive.dicomweb]}},
        }
        with pacs_and_listener(tmp_path, "--run", run, more=plugin | settings) as (router, _):
            found = archive.get("/dicom-web/studies?PatientID=p1")  # QIDO-RS
            study = found[0]["0020000D"]["Value"][0]
            wish = {"Resources": [{"Study": study}]}
            router.post("/dicom-web/servers/archive/retrieve", wish)  # WADO-RS
            segmentation = archive.wait_for("SEG", seconds=120)  # STOW-RS
    assert dice(masks_of(segmentation, "left_ventricle"), discs) > 0.95
    check_references(segmentation, pydicom.dcmread(path), tmp_path)
