"""Probes of frozen features: a linear classifier and nearest neighbours of map positions.

The frames of some videos of one dataset fit the probes, and those of another one score them. Labels
are used only here, never in a pretraining. The score is Dice: the scores of the positions are
resized to the frame, and every pixel has the class with the largest one.

Letters: N frames, C channels, h w size of the finest map, H W size of the frames, K classes, M
positions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.frame_sampling import WholeVideoSampler
from lgrseg.data.mappers.clips import ClipMapper
from lgrseg.evaluation.metrics.overlap import count_pixels, dice, mean
from lgrseg.evaluation.position_classifiers import linear_scores, neighbour_scores
from lgrseg.layers.numerics import effective_rank
from lgrseg.structures import ClipTargets

Maps = Callable[[Tensor], list[Tensor]]
"""Function from frames (N, 3, H, W), 0 to 1, to feature maps (N, C, h, w) of any strides."""
MAX_FITTED, MAX_NEIGHBOURS = 20_000, 1000
"""Largest number of positions that fit the linear probe, and among which neighbours are searched;
with more, a random part is used, which is always the same."""


@dataclass(frozen=True)
class ProbeResult:
    """Scores of an encoder, and what is needed for a picture."""

    scores: dict[str, float]
    """`linear_dice` and `knn_dice`, means over frames and classes, 0 to 1; `linear_dice/CLASS` of
    each class, NaN if no frame has it; `effective_rank` of the features of all positions."""
    frames: Tensor
    """(n, 3, H, W) the first test frames."""
    maps: Tensor
    """(n, C, h, w) their joined feature maps."""


class PatchProbe:
    """Probes the feature maps of an encoder by the segmentation of single positions."""

    def __init__(
        self,
        *,
        train: str,
        test: str,
        size: tuple[int, int] = (64, 64),
        num_videos: int = 40,
        neighbours: int = 20,
        temperature: float = 0.07,
        penalty: float = 1e-3,
    ):
        """Set up the probes; frames are read when they are used.

        Args:
            train: name of the dataset that fits the probes.
            test: name of the dataset that scores them; it has other patients.
            size: (height, width) of the frames in pixels.
            num_videos: largest number of videos of each dataset; the first ones are used.
            neighbours: number of nearest neighbours that vote, by the cosine of their features.
            temperature: the weight of a neighbour is exp(cosine / temperature).
            penalty: weight of the squared weights of the linear probe.

        Raises:
            ValueError: `num_videos` or `neighbours` is below 1.
        """
        if num_videos < 1 or neighbours < 1:
            raise ValueError(
                f"num_videos={num_videos}, neighbours={neighbours}: both must be 1 or more"
            )
        self.train, self.test = train, test
        self.size, self.num_videos = (size[0], size[1]), num_videos
        self.neighbours, self.temperature, self.penalty = neighbours, temperature, penalty
        self._frames: dict[str, tuple[Tensor, Tensor]] = {}

    def frames(self, name: str) -> tuple[Tensor, Tensor]:
        """Read the annotated frames (N, 3, H, W), 0 to 1, and labels (N, H, W) of a dataset.

        Raises:
            KeyError, FileNotFoundError: the dataset does not exist, or is not prepared.
            ValueError: a video has no annotated frame.
        """
        if name not in self._frames:
            mapper = ClipMapper(frame_sampler=WholeVideoSampler(), input_size=self.size)
            images, labels = [], []
            for record, anchor in mapper.samples(DatasetCatalog.get(name)[: self.num_videos]):
                clip, targets = mapper(record, anchor, np.random.default_rng(0))
                images.append(clip.frames[targets.annotated].expand(-1, 3, -1, -1))
                labels.append(label_maps(targets)[targets.annotated])
            self._frames[name] = (torch.cat(images), torch.cat(labels))
        return self._frames[name]

    @torch.no_grad()
    def __call__(self, maps: Maps) -> ProbeResult:
        """Fit and score the probes of an encoder, which must be in evaluation mode.

        Raises:
            ValueError: the two datasets have different numbers of classes.
        """
        known_classes, classes = (
            MetadataCatalog.get(name).classes for name in (self.train, self.test)
        )
        if len(known_classes) != len(classes):
            raise ValueError(
                f"{self.train} has the classes {', '.join(known_classes)}, and {self.test} has "
                f"{', '.join(classes)}: probes are fitted and scored on the same classes"
            )
        frames, labels = self.frames(self.train)
        test_frames, test_labels = self.frames(self.test)
        features, tested = joined(maps, frames), joined(maps, test_frames)
        truth = position_labels(labels, len(classes), features.shape[-2:]).flatten()
        known, unknown = (rearrange(f, "n c h w -> (n h w) c") for f in (features, tested))
        centre, deviation = known.mean(dim=0), known.std(dim=0).clamp(min=1e-6)
        known, unknown = (known - centre) / deviation, (unknown - centre) / deviation
        order = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))
        fitted, compared = order[:MAX_FITTED], order[:MAX_NEIGHBOURS]
        linear = linear_scores(
            known[fitted], truth[fitted], unknown, len(classes) + 1, penalty=self.penalty
        )
        near = neighbour_scores(
            known[compared],
            truth[compared],
            unknown,
            len(classes) + 1,
            neighbours=self.neighbours,
            temperature=self.temperature,
        )
        of_linear, of_near = (
            self._dice(scores, test_labels, tested.shape[-2:], len(classes))
            for scores in (linear, near)
        )
        scores = {
            "linear_dice": float(mean(of_linear)),
            "knn_dice": float(mean(of_near)),
            "effective_rank": float(effective_rank(known[compared])),
        }
        scores |= {
            f"linear_dice/{name}": float(score)
            for name, score in zip(classes, mean(of_linear, axis=0), strict=True)
        }
        return ProbeResult(scores, test_frames[:4], tested[:4])

    def _dice(
        self, scores: Tensor, labels: Tensor, grid: tuple[int, ...], num_classes: int
    ) -> np.ndarray:
        """Dice (N, K) of scores (M, K + 1); NaN where a class is in neither."""
        maps = rearrange(scores, "(n h w) k -> n k h w", h=grid[0], w=grid[1])
        full = F.interpolate(maps, self.size, mode="bilinear", align_corners=False)
        predicted = full.argmax(dim=1).byte().numpy()
        truth = labels.byte().numpy()
        counts = [
            count_pixels(one, other, num_classes)
            for one, other in zip(predicted, truth, strict=True)
        ]
        return dice(np.stack(counts))


def position_maps(frames: Tensor) -> list[Tensor]:
    """A control without any encoder: 64 cosines of the position, equal for all frames.

    Their score is what a probe reaches without a look at the frame, because structures are at
    similar places in all frames.

    Args:
        frames: (N, 3, H, W) frames, of which only the size is used.

    Returns:
        One map (N, 64, H / 4, W / 4): products of the first 8 cosines of both axes.
    """
    waves = torch.arange(8)[:, None] * torch.pi
    rows, columns = (
        torch.cos(waves * (torch.arange(side // 4) + 0.5) / (side // 4))
        for side in frames.shape[-2:]
    )
    maps = rearrange(rows[:, None, :, None] * columns[None, :, None, :], "a b h w -> (a b) h w")
    return [maps.expand(len(frames), -1, -1, -1)]


def label_maps(targets: ClipTargets) -> Tensor:
    """Make label maps (T, H, W) int64 of a clip: 0 background, k + 1 for class k."""
    labels = (targets.labels + 1)[:, None, None, None] * targets.masks
    empty = targets.masks.new_zeros(targets.masks.shape[1:], dtype=torch.int64)
    return labels.amax(dim=0) if len(labels) else empty


def position_labels(labels: Tensor, num_classes: int, grid: tuple[int, ...]) -> Tensor:
    """The class that covers most of each position: labels (N, H, W) to (N, h, w) int64."""
    shares = F.one_hot(labels, num_classes + 1).permute(0, 3, 1, 2).float()
    return F.adaptive_avg_pool2d(shares, (grid[0], grid[1])).argmax(dim=1)


def joined(maps: Maps, frames: Tensor, *, batch_size: int = 16) -> Tensor:
    """Compute the maps of frames, and join them at the size of the finest (N, C, h, w)."""
    parts = []
    for batch in frames.split(batch_size):
        levels = [level.float().cpu() for level in maps(batch)]
        finest = max((tuple(level.shape[-2:]) for level in levels), key=lambda size: size[0])
        parts.append(
            torch.cat(
                [
                    F.interpolate(level, finest, mode="bilinear", align_corners=False)
                    for level in levels
                ],
                dim=1,
            )
        )
    return torch.cat(parts)
