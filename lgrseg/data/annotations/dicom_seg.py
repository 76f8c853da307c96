"""DICOM segmentations (SEG): pixels of segments on frames of a DICOM clip.

The file contains the SOPInstanceUID of its clip and the numbers of the frames, counted from 1. So
the name of the file does not matter. The supported kinds are BINARY, FRACTIONAL (pixels of one half
or more belong to the segment) and LABELMAP. A frame without any segment is not annotated.
Format: DICOM PS3.3, A.51 and C.8.20
"""

from pathlib import Path

import numpy as np

from lgrseg.data.annotations.clip import AnnotatedClip, Annotation, Clips
from lgrseg.data.annotations.shapes import Drawing
from lgrseg.data.class_list import ClassList
from lgrseg.data.io import UnreadableFile
from lgrseg.data.io.dicom_files import is_dicom
from lgrseg.data.io.video import one_line
from lgrseg.data.raw_video import UnusableVideo

KIND = "dicom_seg"
SOP_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage, and Label Map Segmentation Storage."""


def claims(path: Path) -> bool:
    """Whether this module reads such a file."""
    return is_dicom(path) and _header(path).get("SOPClassUID") in SOP_CLASSES


def find(files: list[Path], clips: Clips, problems: dict[str, str]) -> dict[str, Annotation]:
    """Clip -> the segmentation that refers to it."""
    by_uid = {
        _header(path).get("SOPInstanceUID"): name
        for name, path in clips.paths.items()
        if path.is_file() and is_dicom(path)
    }
    annotations: dict[str, Annotation] = {}
    for file in files:
        place = file.relative_to(clips.root).as_posix()
        named = [by_uid[uid] for uid in _referenced(_header(file)) if uid in by_uid]
        if len(set(named)) != 1:
            problems[place] = (
                f"refers to {len(set(named))} of the clips here; it must refer to one DICOM "
                "clip by its SOPInstanceUID"
            )
        elif named[0] in annotations:
            problems[place] = (
                f"{named[0]} has another segmentation, {annotations[named[0]].files[0].name}"
            )
        else:
            annotations[named[0]] = Annotation(KIND, (file,))
    return annotations


def read(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """Frame -> mask, (H, W) uint8: 0 background, k + 1 for class k."""
    import pydicom

    file = annotation.files[0]
    try:
        dataset = pydicom.dcmread(file)
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:  # pydicom passes on the errors of its decoders
        raise UnreadableFile(f"{file.name} cannot be read: {one_line(error)}") from error
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    drawing = Drawing(clip, classes, source=file.name)
    drawing.check_size(*pixels.shape[1:])
    names = {
        int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in dataset.SegmentSequence
    }
    uid = str(_header(clip.path).get("SOPInstanceUID"))
    groups = _groups_of_frames(dataset, len(pixels), file.name)
    is_label_map = dataset.get("SegmentationType") == "LABELMAP"
    half = (int(dataset.get("MaximumFractionalValue", 255)) + 1) // 2
    threshold = half if dataset.get("SegmentationType") == "FRACTIONAL" else 1
    for number, group in enumerate(groups):
        shown = _number_of_frame(group, dataset, uid, file.name, number) - 1
        if is_label_map:
            for value in sorted(set(np.unique(pixels[number]).tolist()) & set(names) - {0}):
                drawing.add_mask(shown, names[value], pixels[number] == value)
            continue
        mask = pixels[number] >= threshold
        segment = int(
            _item(group, dataset, "SegmentIdentificationSequence").ReferencedSegmentNumber
        )
        if segment not in names:
            raise UnusableVideo(f"{file.name} draws segment {segment}, which it does not describe")
        if mask.any():
            drawing.add_mask(shown, names[segment], mask)
    return drawing.finished(notes)


def _header(path: Path):
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, force=True)


def _groups_of_frames(dataset, num_frames: int, name: str) -> list:
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if len(groups) != num_frames:
        raise UnusableVideo(f"{name} describes {len(groups)} frames, but holds {num_frames}")
    return groups


def _item(group, dataset, keyword: str):
    """An item of a frame's functional group, or else of the shared one; None without both."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for owner in (group, shared):
        if sequence := owner.get(keyword):
            return sequence[0]
    return None


def _number_of_frame(group, dataset, uid: str, name: str, number: int) -> int:
    """The frame of the clip, counted from 1, that a frame of the segmentation belongs to."""
    derivation = _item(group, dataset, "DerivationImageSequence")
    sources = list(derivation.get("SourceImageSequence") or ()) if derivation is not None else []
    for source in sources:
        if str(source.get("ReferencedSOPInstanceUID")) == uid:
            frames = source.get("ReferencedFrameNumber", 1)
            frames = frames if not isinstance(frames, (int, str)) else [frames]
            if len(frames) == 1:
                return int(frames[0])
    raise UnusableVideo(
        f"{name} does not state to which frame of the clip its frame {number + 1} belongs: it "
        "needs one ReferencedFrameNumber in DerivationImageSequence"
    )


def _referenced(dataset) -> list[str]:
    """UIDs of all images that a segmentation refers to."""
    uids = []
    for series in dataset.get("ReferencedSeriesSequence") or ():
        for instance in series.get("ReferencedInstanceSequence") or ():
            uids.append(instance.get("ReferencedSOPInstanceUID"))
    for group in dataset.get("PerFrameFunctionalGroupsSequence") or ():
        derivation = _item(group, dataset, "DerivationImageSequence")
        for source in derivation.get("SourceImageSequence") or () if derivation is not None else ():
            uids.append(source.get("ReferencedSOPInstanceUID"))
    return list(dict.fromkeys(uid for uid in uids if uid))
