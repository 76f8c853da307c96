"""A picture of a result: one beat at end-diastole and end-systole."""

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import LazyFrames
from lgrseg.inference.measurements import Measurements
from lgrseg.visualization.overlays import beside_input, panel_height


def draw_preview(
    frames: np.ndarray | LazyFrames,
    masks: np.ndarray,
    *,
    metadata: Metadata,
    measurements: Measurements,
) -> np.ndarray:
    """Draw frames and their masks side by side, one row for each phase.

    The beat is the first one without problems, or the first one. Without a beat, the frame with the
    largest area of all classes together is drawn.

    Args:
        frames: (T, H, W) or (T, H, W, 3) uint8.
        masks: (T, H, W) uint8, 0 background, k + 1 for class k.
        metadata: classes and colours.
        measurements: measurements of these masks.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    rows = [
        beside_input(
            frames[frame],
            np.asarray(masks[frame]),
            classes=metadata.classes,
            colors=metadata.colors,
            caption=caption,
            height=panel_height(masks.shape[1:]),
        )
        for caption, frame in _shown_frames(measurements)
    ]
    return np.concatenate(rows)


def _shown_frames(measurements: Measurements) -> list[tuple[str, int]]:
    # Beats without problems come first.
    beats = sorted(measurements.beats, key=lambda beat: bool(beat.problems))
    if beats:
        beat = beats[0]
        return [
            (f"ED frame {beat.ed_frame}", beat.ed_frame),
            (f"ES frame {beat.es_frame}", beat.es_frame),
        ]
    total = np.sum(list(measurements.areas.values()), axis=0)
    frame = int(np.argmax(total))
    return [(f"frame {frame}", frame)]
