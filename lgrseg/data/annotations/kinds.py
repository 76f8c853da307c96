"""The kinds of annotation files, each a module with `claims`, `find` and `read`."""

import numpy as np

from lgrseg.data.annotations import (
    coco,
    cvat,
    dicom_seg,
    labelme,
    mask_frames,
    slicer,
    volumes,
)
from lgrseg.data.annotations.clip import AnnotatedClip, Annotation
from lgrseg.data.class_list import ClassList

KINDS = {
    module.KIND: module for module in (dicom_seg, slicer, volumes, mask_frames, cvat, labelme, coco)
}


def read_annotation(
    annotation: Annotation, clip: AnnotatedClip, classes: ClassList, notes: list[str]
) -> dict[int, np.ndarray]:
    """The masks of a clip: frame -> (H, W) uint8, 0 background, k + 1 for class k.

    Args:
        annotation: files of the masks, from `find_annotations`.
        clip: the clip that the masks belong to.
        classes: meaning of values and names.
        notes: list to which notes for the user are added.

    Raises:
        UnusableVideo, UnreadableFile: the masks cannot be used; the message has the reason.
    """
    return KINDS[annotation.kind].read(annotation, clip, classes, notes)
