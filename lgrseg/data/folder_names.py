"""Folder names that only state the kind of files inside, such as images or masks."""

FRAME_FOLDERS = ("clip", "clips", "frames", "image", "images", "imagestr", "imagests", "videos")
"""Folders of clips or their frames, in lower case."""
MASK_FOLDERS = (
    "annotations", "gt", "label", "labels", "labelstr", "labelsts", "mask", "masks", "seg",
    "segmentation", "segmentations",
)  # fmt: skip
"""Folders of annotations, in lower case."""
