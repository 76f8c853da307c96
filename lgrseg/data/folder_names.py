"""Names of folders that say what kind of files is inside, and nothing about which."""

FRAME_FOLDERS = ("clip", "clips", "frames", "image", "images", "imagestr", "imagests", "videos")
"""In small letters: clips or their frames are inside."""
MASK_FOLDERS = (
    "annotations", "gt", "label", "labels", "labelstr", "labelsts", "mask", "masks", "seg",
    "segmentation", "segmentations",
)  # fmt: skip
"""Likewise, annotations are inside."""
