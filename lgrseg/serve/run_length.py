"""Masks as the run-length code of COCO, in JSON."""

import json

import numpy as np
from pycocotools import mask as coco


def encode(mask: np.ndarray) -> dict:
    """Encode a mask (H, W) bool: {"size": [H, W], "counts": text}."""
    code = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(map(int, code["size"])), "counts": code["counts"].decode("ascii")}


def masks_as_json(masks: np.ndarray, classes: tuple[str, ...]) -> str:
    """Encode masks (T, H, W) uint8, 0 background, k + 1 for class k.

    Returns:
        JSON {"size": [H, W], "classes": [...], "frames": [{class: code}, ...]}; a class that a
        frame does not show has no entry.
    """
    frames = [
        {
            name: encode(labels == value)
            for value, name in enumerate(classes, start=1)
            if (labels == value).any()
        }
        for labels in masks
    ]
    content = {"size": list(masks.shape[1:]), "classes": list(classes), "frames": frames}
    return json.dumps(content)
