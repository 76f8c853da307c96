"""Pictures of a few clips as a model sees them now: input, truth and prediction."""

from collections.abc import Iterator

import numpy as np
import torch

from lgrseg.data.catalog import Metadata
from lgrseg.data.store import open_frames, read_masks, uncropped
from lgrseg.structures import Clip, ClipPrediction, ClipTargets
from lgrseg.visualization.overlays import side_by_side


def example_pictures(model, clips, *, metadata: Metadata, count: int) -> Iterator[np.ndarray]:
    """At most `count` clips, always the same, evenly spread; the model's mode is put back.

    Args:
        model: takes a list of clips. One that gives no masks gives no pictures.
        clips: a TestDataset.
        metadata: of the dataset.
        count: of pictures.

    Yields:
        (height, width, 3) uint8 RGB: the middle one of a clip's annotated frames, at its original
        resolution.
    """
    chosen = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    try:
        for place in chosen.tolist():
            record, _, clip, targets = clips[place]
            with torch.inference_mode():
                (prediction,) = model([clip.to(device)])
            if not isinstance(prediction, ClipPrediction):
                return
            yield _picture(record, clip, targets, prediction, metadata)
    finally:
        model.train(was_training)


def _picture(
    record: dict, clip: Clip, targets: ClipTargets, prediction: ClipPrediction, metadata: Metadata
) -> np.ndarray:
    annotated = targets.annotated_frames
    place = annotated[len(annotated) // 2]
    frame = int(clip.frame_indices[place])
    return side_by_side(
        uncropped(open_frames(record)[frame], record),
        read_masks(record)[frame],
        prediction.label_maps(clip.geometry)[place].cpu().numpy(),
        classes=metadata.classes,
        colors=metadata.colors,
        caption=f"frame {frame}" if record["num_frames"] > 1 else "",
    )
