"""DICOM segmentations, written with pydicom by the rules of PS3.3, A.51."""

import numpy as np
import pytest
from annotated import ATRIUM, BOTH, SIZE, VENTRICLE, assert_same, masks_in
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from lgrseg.data.annotations import find_annotations
from lgrseg.data.raw_video import UnusableVideo

CLIP_CLASS, SEG_CLASS = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"


def image(sop_class, modality, frames, bits=8):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.NumberOfFrames = modality, len(frames)
    dataset.Rows, dataset.Columns = SIZE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 0
    pixels = np.asarray(frames, np.uint8)
    dataset.PixelData = pack_bits(pixels) if bits == 1 else pixels.tobytes()
    return dataset


def save(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def item(**facts):
    dataset = Dataset()
    for name, value in facts.items():
        setattr(dataset, name, value)
    return dataset


def write_dicom_clip(path, num_frames=6):
    clip = image(CLIP_CLASS, "US", np.full((num_frames, *SIZE), 9))
    save(clip, path)
    return clip.SOPInstanceUID


def segmentation(uid, frames, *, kind="BINARY", names=("LV", "Left atrium")):
    """`frames` is a list of (pixels, number of the clip's frame or None, segment)."""
    pixels = [mask for mask, _, _ in frames]
    bits = 1 if kind == "BINARY" else 8
    sop_class = LABEL_MAP_CLASS if kind == "LABELMAP" else SEG_CLASS
    dataset = image(sop_class, "SEG", pixels, bits=bits)
    dataset.SegmentationType = kind
    if kind == "FRACTIONAL":
        dataset.MaximumFractionalValue = 200
    dataset.SegmentSequence = Sequence(
        item(SegmentNumber=k, SegmentLabel=name) for k, name in enumerate(names, start=1)
    )
    groups = []
    for _, number, segment in frames:
        source = item(ReferencedSOPClassUID=CLIP_CLASS, ReferencedSOPInstanceUID=uid)
        if number is not None:
            source.ReferencedFrameNumber = number
        group = item(
            DerivationImageSequence=Sequence([item(SourceImageSequence=Sequence([source]))])
        )
        if segment:
            identification = item(ReferencedSegmentNumber=segment)
            group.SegmentIdentificationSequence = Sequence([identification])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return dataset


def test_frames_count_from_1_and_segments_go_by_their_labels(root):
    uid = write_dicom_clip(root / "scan" / "a.dcm")
    write_dicom_clip(root / "scan" / "b.dcm")
    frames = [(VENTRICLE, 1, 1), (VENTRICLE, 6, 1), (ATRIUM, 6, 2), (0 * ATRIUM, 3, 2)]
    save(segmentation(uid, frames), root / "elsewhere" / "12345")
    assert sorted(find_annotations(root).clips) == ["scan/a", "scan/b"]
    assert_same(masks_in(root, "scan/a"), {0: VENTRICLE, 5: BOTH})


def test_fractions_count_from_one_half_on(root):
    uid = write_dicom_clip(root / "a.dcm")
    fractions = np.where(VENTRICLE, 100, 99)
    save(segmentation(uid, [(fractions, 2, 1)], kind="FRACTIONAL"), root / "seg.dcm")
    assert_same(masks_in(root, "a"), {1: VENTRICLE})


def test_a_label_map_has_the_numbers_of_segments(root):
    uid = write_dicom_clip(root / "a.dcm")
    labels = np.where(ATRIUM, 2, VENTRICLE)
    save(segmentation(uid, [(labels, 4, None)], kind="LABELMAP"), root / "seg.dcm")
    assert_same(masks_in(root, "a"), {3: BOTH})


@pytest.mark.parametrize(
    ("frames", "names", "message"),
    [
        ([(VENTRICLE, 7, 1)], ("LV",), "frame 6, the clip has the frames 0 to 5"),
        (
            [(VENTRICLE, [1, 2], 1)],
            ("LV",),
            "does not state to which frame of the clip its frame 1",
        ),
        ([(VENTRICLE, 1, 2)], ("LV",), "draws segment 2, which it does not describe"),
        ([(VENTRICLE, 1, 1)], ("aorta",), "draws 'aorta'"),
    ],
)
def test_what_is_not_certain_is_refused(root, frames, names, message):
    uid = write_dicom_clip(root / "a.dcm")
    save(segmentation(uid, frames, names=names), root / "seg.dcm")
    with pytest.raises(UnusableVideo, match=message):
        masks_in(root, "a")


def test_a_segmentation_of_another_clip_is_named(root):
    write_dicom_clip(root / "a.dcm")
    save(segmentation(generate_uid(), [(VENTRICLE, 1, 1)]), root / "a_seg.dcm")
    found = find_annotations(root)
    assert "refers to 0 of the clips here" in found.problems["a_seg.dcm"]
    assert found.clips["a"].annotation is None
