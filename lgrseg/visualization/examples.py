"""Pictures of a few clips: input, truth and the current prediction of the model."""

from collections.abc import Iterator

import numpy as np
import torch

from lgrseg.data.catalog import Metadata
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import open_frames, read_masks, uncropped
from lgrseg.structures import Clip, ClipPrediction, ClipTargets
from lgrseg.visualization.overlays import side_by_side


def example_pictures(model, clips, *, metadata: Metadata, count: int) -> Iterator[np.ndarray]:
    """Draw at most `count` clips, which are evenly spread and the same in every call.

    The model's mode (training or evaluation) is restored at the end.

    Args:
        model: model that takes a list of clips; if it predicts no masks, there are no pictures.
        clips: TestDataset from which clips are chosen.
        metadata: metadata of the dataset, for class names and colours.
        count: largest number of pictures.

    Yields:
        (height, width, 3) uint8 RGB picture of the middle annotated frame of a clip, at its
        original resolution.
    """
    chosen = np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    try:
        for index in chosen.tolist():
            record, _, clip, targets = clips[index]
            with torch.inference_mode():
                (prediction,) = model([clip.to(device)])
            if not isinstance(prediction, ClipPrediction):
                return
            yield _picture(record, clip, targets, prediction, metadata)
    finally:
        model.train(was_training)


def _picture(
    record: VideoRecord,
    clip: Clip,
    targets: ClipTargets,
    prediction: ClipPrediction,
    metadata: Metadata,
) -> np.ndarray:
    assert clip.geometry is not None, "test clips are not augmented"
    annotated = targets.annotated_frames
    position = annotated[len(annotated) // 2]
    frame = int(clip.frame_indices[position])
    return side_by_side(
        uncropped(open_frames(record)[frame], record),
        read_masks(record)[frame],
        prediction.label_maps(clip.geometry)[position].cpu().numpy(),
        classes=metadata.classes,
        colors=metadata.colors,
        caption=f"frame {frame}" if record.num_frames > 1 else "",
    )
