"""Entropy and errors of a run on the annotated frames of a dataset, at native resolution.

Letters: T frames, K classes, M pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.store import read_masks
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.evaluation.metrics import overlap
from lgrseg.evaluation.metrics.uncertainty import (
    auroc,
    near_contours,
    pixel_entropy,
    risk_by_coverage,
)
from lgrseg.modeling.contracts import Segmenter
from lgrseg.structures import Clip

NUM_SHOWN = 3
"""Number of certain frames, and of uncertain frames, that are kept for pictures."""


@dataclass(frozen=True)
class FrameMaps:
    """Entropy and errors of one frame."""

    video_id: str
    frame: int
    """Index of the frame in its video."""
    image: np.ndarray
    """(H, W) uint8 grey values; 0 outside the input of the model."""
    truth: np.ndarray
    """(H, W) uint8 label map."""
    prediction: np.ndarray
    """(H, W) uint8: the most probable class of each pixel."""
    entropy: np.ndarray
    """(H, W) float32, 0 to 1."""
    num_classes: int
    scale: float
    """Pixels of these maps on one pixel of the model's input."""

    @property
    def dice(self) -> float:
        """Mean Dice of the classes that are in the truth or the prediction; NaN if none is."""
        counts = overlap.count_pixels(self.prediction, self.truth, self.num_classes)
        shared, found, true = np.asarray(counts, dtype=float).T
        known = found + true > 0
        return float((2 * shared[known] / (found + true)[known]).mean()) if known.any() else np.nan

    @property
    def uncertainty(self) -> float:
        """Sum of the entropy over the frame, relative to the area of the predicted structures.

        So it does not depend on the depth of the scan. An empty prediction counts as one pixel.
        """
        return float(self.entropy.sum() / max(1, np.count_nonzero(self.prediction)))


@dataclass(frozen=True)
class Study:
    """Measures of one run on one dataset."""

    run: str
    dataset: str
    distance: float
    """Distance from the true contours, in pixels of the input, within which pixels are scored."""
    auroc: float
    """AUROC of the entropy for wrong pixels near the true contours, of all frames together."""
    correlation: float
    """Spearman's correlation of uncertainty and Dice of a frame; -1 is best."""
    frames: list[tuple[str, int, float, float]]
    """(video, frame, uncertainty, Dice) of every frame."""
    shown: list[FrameMaps]
    """The most certain frames, then the most uncertain ones, of growing uncertainty."""

    @property
    def risks(self) -> np.ndarray:
        """Mean of 1 - Dice of the n most certain frames, n = 1, 2, ..."""
        uncertainty, dice = np.array([frame[2:] for frame in self.frames]).T
        return risk_by_coverage(uncertainty, 1 - dice)

    @property
    def best_risks(self) -> np.ndarray:
        """The same, if the Dice itself decided which frames to keep."""
        dice = np.array([frame[3] for frame in self.frames])
        return risk_by_coverage(-dice, 1 - dice)


def frame_maps(run: LoadedRun, dataset: str) -> Iterator[FrameMaps]:
    """Yield entropy and errors of every annotated frame.

    Raises:
        ValueError: the model predicts no probabilities, or run and dataset have other classes.
    """
    model, classes = run.member.model, MetadataCatalog.get(dataset).classes
    if not isinstance(model, Segmenter):
        raise ValueError(f"{run.name} is a {type(model).__name__}, which has no probabilities")
    if run.member.metadata.classes != classes:
        raise ValueError(
            f"{run.name} predicts {', '.join(run.member.metadata.classes)}, but {dataset} has "
            f"{', '.join(classes)}"
        )
    device = next(model.parameters()).device
    for samples in run.loader(dataset):
        for record, _, clip, targets in samples:
            with torch.inference_mode():
                probs = model.class_probabilities([clip.to(device)])[0].float().cpu()
            truth = read_masks(record)
            assert clip.geometry is not None  # test clips are not augmented
            for position in targets.annotated_frames:
                # One frame at a time, because maps at native resolution are large.
                pasted = clip.geometry.paste(probs[:, position], 0.0)
                background = 1 - pasted.sum(dim=0, keepdim=True)
                frame = int(clip.frame_indices[position])
                yield FrameMaps(
                    video_id=record.video_id,
                    frame=frame,
                    image=_grey(clip, position),
                    truth=truth[frame],
                    prediction=torch.cat([background, pasted]).argmax(dim=0).byte().numpy(),
                    entropy=pixel_entropy(pasted).numpy(),
                    num_classes=len(classes),
                    scale=clip.geometry.scale,
                )


def _grey(clip: Clip, position: int) -> np.ndarray:
    """(H, W) uint8 frame of a clip at the original size."""
    assert clip.geometry is not None  # test clips are not augmented
    grey = clip.geometry.paste(clip.frames[position].float().mean(dim=0), 0.0)
    return (255 * grey).round().byte().numpy()


def study(run: LoadedRun, dataset: str, *, distance: float = 5.0) -> Study:
    """Measure how well the entropy of a run tells its errors on a dataset.

    Args:
        run: trained run.
        dataset: name of a dataset in the catalog.
        distance: distance from the true contours, in pixels of the model's input, within which
            pixels are scored. Over whole frames the AUROC is always high. Within much less than the
            model's usual error, nearly half of the pixels are wrong, and it is always low.

    Raises:
        ValueError: see `frame_maps`; or no frame shows a structure.
    """
    scores, errors, frames = [], [], []
    shown: list[FrameMaps] = []
    for maps in frame_maps(run, dataset):
        chosen = near_contours(maps.truth, distance * maps.scale)
        scores.append(maps.entropy[chosen])
        errors.append((maps.truth != maps.prediction)[chosen])
        if not np.isnan(maps.dice):
            frames.append((maps.video_id, maps.frame, maps.uncertainty, maps.dice))
        shown = sorted([*shown, maps], key=lambda one: one.uncertainty)
        shown = shown if len(shown) <= 2 * NUM_SHOWN else shown[:NUM_SHOWN] + shown[-NUM_SHOWN:]
    if not frames:
        raise ValueError(f"no frame of {dataset} shows a structure, so there is nothing to measure")
    uncertainty, dice = np.array([frame[2:] for frame in frames]).T
    return Study(
        run=run.name,
        dataset=dataset,
        distance=distance,
        auroc=auroc(np.concatenate(scores), np.concatenate(errors)),
        correlation=float(spearmanr(uncertainty, dice).statistic) if len(frames) > 2 else np.nan,
        frames=frames,
        shown=shown,
    )
