"""What the predicted masks of a whole video tell: areas over time, beats, volumes, steadiness."""

import numpy as np

from lgrseg.evaluation.clinical import ejection_fraction, find_beats
from lgrseg.evaluation.frame_scores import measure_heart
from lgrseg.evaluation.steadiness import steadiness


def measure_video(
    masks: np.ndarray, classes: tuple[str, ...], spacing_mm: tuple[float, float] | None
) -> dict:
    """Measure one video.

    Args:
        masks: (T, H, W) uint8, 0 background, k + 1 for class k.
        classes: names.
        spacing_mm: of rows and of columns.

    Returns:
        "unit" ("mm" or "px"); "areas" of every class over time, in its square; "steadiness" of
        every class; and, with a left ventricle, "beats": for each its frames "ed" and "es", "edv"
        and "esv" (ml; None without spacing) and "ejection_fraction" (%).
    """
    rows, columns = spacing_mm or (1.0, 1.0)
    found = {
        "unit": "mm" if spacing_mm else "px",
        "areas": {
            name: ((masks == k + 1).sum(axis=(1, 2)) * rows * columns).tolist()
            for k, name in enumerate(classes)
        },
        "steadiness": {
            name: steadiness(masks == k + 1, spacing_mm) for k, name in enumerate(classes)
        },
    }
    if "left_ventricle" in classes:
        areas = np.array(found["areas"]["left_ventricle"])
        beats = find_beats(np.where(areas > 0, areas, np.nan))
        found["beats"] = [_beat(masks, classes, spacing_mm, *beat) for beat in beats]
    return found


def _beat(masks, classes, spacing_mm, ed: int, es: int) -> dict:
    before, after = (
        measure_heart(masks[frame], classes, spacing_mm)["left_ventricle"]["volume_ml"]
        for frame in (ed, es)
    )
    return {
        "ed": ed,
        "es": es,
        "edv": before if spacing_mm else None,
        "esv": after if spacing_mm else None,
        "ejection_fraction": 100 * ejection_fraction(before, after),
    }
