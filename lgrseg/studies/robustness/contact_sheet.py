"""A picture of every degradation at every strength, to look at before the numbers are believed."""

import cv2
import numpy as np

from lgrseg.structures import Clip
from lgrseg.studies.robustness.degradations import DEGRADATIONS

MARGIN = 18
"""Height of the text above every picture, in pixels."""


def contact_sheet(clip: Clip) -> np.ndarray:
    """Draw the first frame of a clip: one row per degradation, the clean frame at its left.

    Returns:
        (H', W', 3) uint8.
    """
    rows = []
    for degradation in DEGRADATIONS:
        texts = [degradation.name, *(f"{s:g} {degradation.unit}" for s in degradation.strengths)]
        strengths = (degradation.clean, *degradation.strengths)
        shown = [degradation(clip, strength).frames[0] for strength in strengths]
        pictures = [_with_text(f.numpy(), t) for f, t in zip(shown, texts, strict=True)]
        rows.append(np.concatenate(pictures, axis=1))
    return np.concatenate(rows)


def _with_text(frame: np.ndarray, text: str) -> np.ndarray:
    """Put a text above a frame (C, H, W), 0 to 1."""
    picture = np.rint(frame * 255).astype(np.uint8).transpose(1, 2, 0)
    picture = np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))
    sheet = cv2.copyMakeBorder(picture, MARGIN, 2, 2, 2, cv2.BORDER_CONSTANT, value=(60, 60, 60))
    white = (255, 255, 255)
    return cv2.putText(sheet, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, white, 1, cv2.LINE_AA)
