"""A film of a clip and its masks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import Metadata
from lgrseg.data.io import LazyFrames
from lgrseg.visualization.overlays import beside_input, panel_height, write_mp4


def write_film(
    path: Path,
    frames: np.ndarray | LazyFrames,
    masks: np.ndarray,
    *,
    metadata: Metadata,
    fps: float | None,
) -> str:
    """Write frames and masks side by side as an mp4.

    Returns:
        The reason why there is no film, in one sentence; empty if it was written.
    """
    height = panel_height(masks.shape[1:])

    def pictures() -> Iterator[np.ndarray]:
        for index in range(len(masks)):
            yield beside_input(
                frames[index],
                masks[index],
                classes=metadata.classes,
                colors=metadata.colors,
                caption=f"frame {index}",
                height=height,
            )

    try:
        write_mp4(path, pictures(), fps=fps or 20)
    except Exception as error:  # of any type; the masks must be saved without a film too
        reason = str(error) or type(error).__name__
        return f"the film could not be made, but the masks are complete: {reason}"
    return ""
