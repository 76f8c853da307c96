"""DICOM segmentations: other readers find the masks, the frames and the clip in them."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from bright_disc import CONFIG, OVERRIDES, ROOT, disc_clip
from dicom_clips import dicom_clip
from forked import run_script

from lgrseg.data.annotations import AnnotatedClip, find_annotations, read_annotation
from lgrseg.data.catalog import Metadata
from lgrseg.data.class_list import class_list
from lgrseg.inference import FilePredictor, Predictor
from lgrseg.inference.dicom_seg import MOST_BYTES, made_by_of, write_dicom_seg

CLASSES = ("left_ventricle", "myocardium", "thing")
MADE_BY = "lgrseg " + 64 * "a"


def metadata(*classes, **roles):
    return Metadata(classes, tuple((k, 0, 0) for k in range(len(classes))), roles=roles)


def random_masks(shape, seed=0):
    return np.random.default_rng(seed).integers(0, len(CLASSES) + 1, shape, dtype=np.uint8)


def write(clip: Path, masks, path: Path, made_by=MADE_BY, classes=CLASSES) -> pydicom.Dataset:
    write_dicom_seg(path, masks, clip=clip, metadata=metadata(*classes), made_by=made_by)
    return pydicom.dcmread(path)


def read_by_pydicom(segmentation) -> np.ndarray:
    """The masks, put together from what every frame says about itself."""
    pixels = segmentation.pixel_array
    groups = segmentation.PerFrameFunctionalGroupsSequence
    numbers = [
        (
            group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber,
            group.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
        )
        for group in groups
    ]
    masks = np.zeros((max(frame for frame, _ in numbers), *pixels.shape[1:]), np.uint8)
    for (frame, segment), mask in zip(numbers, pixels, strict=True):
        masks[frame - 1][mask == 1] = segment
    return masks


def read_as_annotation(root: Path, name: str, shape) -> np.ndarray:
    """The masks that lgrseg finds for a clip of a folder."""
    entry = find_annotations(root).clips[name]
    clip = AnnotatedClip(
        path=entry.path, num_frames=shape[0], size=shape[1:], frame_files=(), first_number=0
    )
    classes = class_list({name: k for k, name in enumerate(CLASSES, 1)})
    masks = read_annotation(entry.annotation, clip, classes, [])
    return np.stack([masks[frame] for frame in range(shape[0])])


def complaints(path: Path) -> list[str]:
    """Errors that David Clunie's validator finds."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy is not installed: apt install dicom3tools")
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True)
    assert "Segmentation" in done.stderr, done.stderr  # it knows the kind of file
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


def small(tmp_path, **facts):
    """3 frames of 35 pixels: no frame begins with a byte, and the bytes are an odd number."""
    masks = random_masks((3, 5, 7))
    return dicom_clip(tmp_path / "clip.dcm", np.full(masks.shape, 9), **facts), masks


def test_bits_are_packed_across_frames(tmp_path):
    clip, masks = small(tmp_path)
    segmentation = write(clip, masks, tmp_path / "clip_seg.dcm")
    assert len(segmentation.PixelData) == 40  # 3 * 3 * 35 = 315 bits
    np.testing.assert_array_equal(read_by_pydicom(segmentation), masks)
    np.testing.assert_array_equal(read_as_annotation(tmp_path, "clip", masks.shape), masks)


@pytest.fixture(scope="module")
def of_the_real_clip(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    shutil.copyfile(shared_data / "echo_clips" / "examples_ybr_color.dcm", folder / "clip.dcm")
    masks = random_masks((30, 240, 320))
    return folder, masks, write(folder / "clip.dcm", masks, folder / "clip_seg.dcm")


def test_the_real_clip(of_the_real_clip):
    folder, masks, segmentation = of_the_real_clip
    np.testing.assert_array_equal(read_by_pydicom(segmentation), masks)
    np.testing.assert_array_equal(read_as_annotation(folder, "clip", masks.shape), masks)
    assert segmentation.LossyImageCompression == "01"  # the clip is JPEG
    assert segmentation.LossyImageCompressionRatio == 19


def test_a_validator_finds_no_error_in_that_of_the_real_clip(of_the_real_clip):
    assert complaints(of_the_real_clip[0] / "clip_seg.dcm") == []


def test_a_validator_finds_no_error_in_that_of_a_sparse_header(tmp_path):
    clip, masks = small(tmp_path, StudyDate=None, StudyTime=None, StudyID=None, PatientName=None)
    segmentation = write(clip, masks, tmp_path / "seg.dcm")
    assert (segmentation.StudyDate, segmentation.ContentDate) == ("", "19000101")
    assert complaints(tmp_path / "seg.dcm") == []


def test_it_belongs_to_the_study_of_the_clip(tmp_path):
    clip, masks = small(tmp_path)
    segmentation = write(clip, masks, tmp_path / "seg.dcm")
    assert (segmentation.PatientName, segmentation.PatientID) == ("Jürgensen^Åse", "p1")
    assert segmentation.StudyInstanceUID == "1.2.1" != segmentation.SeriesInstanceUID
    assert segmentation.SeriesInstanceUID != "1.2.2" and segmentation.SOPInstanceUID != "1.2.3"
    assert (segmentation.ContentDate, segmentation.ContentTime) == ("20200102", "101112")
    (series,) = segmentation.ReferencedSeriesSequence
    (image,) = series.ReferencedInstanceSequence
    assert (series.SeriesInstanceUID, image.ReferencedSOPInstanceUID) == ("1.2.2", "1.2.3")
    for number, group in enumerate(segmentation.PerFrameFunctionalGroupsSequence):
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPInstanceUID == "1.2.3"
        place = [number // 3 + 1, number % 3 + 1]  # segment, frame
        assert group.FrameContentSequence[0].DimensionIndexValues == place


@pytest.mark.parametrize("announced", [None, 1])
def test_a_still_image_has_no_number_of_its_frame(tmp_path, announced):
    clip = dicom_clip(tmp_path / "a.dcm", np.full((1, 5, 7), 9), NumberOfFrames=announced)
    masks = random_masks((1, 5, 7))
    segmentation = write(clip, masks, tmp_path / "a_seg.dcm")
    (source,) = (
        segmentation.PerFrameFunctionalGroupsSequence[0]
        .DerivationImageSequence[0]
        .SourceImageSequence
    )
    assert "ReferencedFrameNumber" not in source
    np.testing.assert_array_equal(read_as_annotation(tmp_path, "a", masks.shape), masks)


def test_segments_have_codes_and_what_made_them(tmp_path):
    clip, masks = small(tmp_path)
    known = metadata("cavity", "Left Atrium", "myocardium", "polyp", left_ventricle="cavity")
    write_dicom_seg(tmp_path / "s.dcm", masks, clip=clip, metadata=known, made_by=MADE_BY)
    segments = pydicom.dcmread(tmp_path / "s.dcm").SegmentSequence
    kinds = [segment.SegmentedPropertyTypeCodeSequence[0] for segment in segments]
    assert [(kind.CodingSchemeDesignator, kind.CodeValue) for kind in kinds] == [
        ("SCT", "87878005"),
        ("SCT", "82471001"),
        ("SCT", "74281007"),
        ("DCM", "111030"),
    ]
    assert [segment.SegmentLabel for segment in segments] == list(known.classes)
    assert made_by_of(tmp_path / "s.dcm") == MADE_BY and made_by_of(clip) is None


def test_equal_input_gives_the_same_file(tmp_path):
    clip, masks = small(tmp_path)
    first = write(clip, masks, tmp_path / "1.dcm")
    write(clip, masks, tmp_path / "2.dcm")
    assert (tmp_path / "1.dcm").read_bytes() == (tmp_path / "2.dcm").read_bytes()
    uids = {first.SOPInstanceUID}
    uids.add(write(clip, masks, tmp_path / "3.dcm", made_by="lgrseg b").SOPInstanceUID)
    uids.add(write(clip, masks[::-1], tmp_path / "4.dcm").SOPInstanceUID)
    assert len(uids) == 3


def test_what_cannot_be_written_is_refused(tmp_path):
    clip, masks = small(tmp_path)
    with pytest.raises(ValueError, match=r"size \(7, 5\), clip.dcm has \(5, 7\)"):
        write(clip, masks.transpose(0, 2, 1), tmp_path / "s.dcm")
    endless = np.broadcast_to(masks[:1], (8 * MOST_BYTES // 35 + 1, 5, 7))
    with pytest.raises(ValueError, match="too long for one DICOM segmentation"):
        write(clip, endless, tmp_path / "s.dcm", classes=("left_ventricle",))
    (tmp_path / "clip.mp4").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"clip\.mp4 is not a DICOM file.*leave out --dicom-seg"):
        write(tmp_path / "clip.mp4", masks, tmp_path / "s.dcm")
    clip, masks = small(tmp_path, SOPInstanceUID=None, StudyInstanceUID=None)
    with pytest.raises(ValueError, match="has no SOPInstanceUID, StudyInstanceUID, so"):
        write(clip, masks, tmp_path / "s.dcm")
    assert not (tmp_path / "s.dcm").exists()


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.from_run(run, device="cpu")


def test_a_result_saves_it_when_asked(predictor, tmp_path):
    clip = dicom_clip(tmp_path / "clip.dcm", disc_clip(3)[0])
    result = predictor(clip)
    out = tmp_path / "out"
    assert out / "clip_seg.dcm" not in result.save(out)
    assert out / "clip_seg.dcm" in result.save(out, dicom_seg=True)
    np.testing.assert_array_equal(
        read_by_pydicom(pydicom.dcmread(out / "clip_seg.dcm")), result.masks
    )
    assert (result.masks == 1).any()
    result.save(out)  # the masks are replaced, so their segmentation goes
    assert not (out / "clip_seg.dcm").exists()
    (out / "clip_seg.dcm").write_text("mine")
    result.save(out)
    with pytest.raises(FileExistsError, match="clip_seg.dcm exists and was not written"):
        result.save(out, dicom_seg=True)
    assert (out / "clip_seg.dcm").read_text() == "mine"
    of_array = predictor(disc_clip(2)[0])
    with pytest.raises(ValueError, match="an array cannot have a DICOM segmentation"):
        of_array.save(tmp_path / "none", dicom_seg=True)
    assert not (tmp_path / "none").exists()


def test_kept_masks_get_what_is_missing(predictor, tmp_path):
    clip = dicom_clip(tmp_path / "clip.dcm", disc_clip(3)[0])
    stem, segmentation = tmp_path / "out" / "clip", tmp_path / "out" / "clip_seg.dcm"
    FilePredictor(predictor)(clip, stem)
    segment = FilePredictor(predictor, dicom_seg=True)
    assert segment(clip, stem).was_there and segmentation.is_file()
    written = segmentation.stat().st_mtime_ns
    assert segment(clip, stem).was_there and segmentation.stat().st_mtime_ns == written
    segmentation.write_text("mine")
    with pytest.raises(FileExistsError, match="was not written by this tool"):
        segment(clip, stem)


def test_the_command(weights, tmp_path):
    dicom_clip(tmp_path / "clips" / "a.dcm", disc_clip(3)[0])
    dicom_clip(tmp_path / "clips" / "b.dcm", disc_clip(3)[0], SOPInstanceUID=None)
    words = ["--config-file", CONFIG, "--weights", weights, "--dicom-seg", *OVERRIDES]
    out = tmp_path / "out"
    tool = ROOT / "tools" / "predict.py"
    done = run_script(tool, [tmp_path / "clips", "--output", out, *words])
    assert done.returncode == 1 and "b.dcm has no SOPInstanceUID, so" in done.stderr
    assert "1 of 2 clips segmented" in done.stdout
    assert (out / "a_seg.dcm").is_file() and not list(out.glob("b_*"))
