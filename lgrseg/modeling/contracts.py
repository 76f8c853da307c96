"""Interfaces of a model and its parts; code outside this package uses nothing else of them.

A model is a subclass of `ClipModel`. Parts need no base class: a network with the attributes and
methods of a protocol can be used as this part.

Letters: B clips, T frames, N images, K classes, D width of a token.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lgrseg.structures import Clip, ClipPrediction, UnlabelledViews

Losses = dict[str, Tensor]
Totals = Mapping[str, float | Tensor]


class ClipModel(nn.Module):
    """A model of clips: losses in training mode, predictions otherwise.

    `forward(clips, targets=None, totals=None)` takes B clips of one shape. In training mode it
    returns losses by name; training minimises their sum. Otherwise it returns one prediction per
    clip (`ClipPrediction` or `LabelPrediction`). All other methods have a default here.
    """

    num_classes: int | None = None
    """K, which is compared with the datasets; None disables the comparison."""
    predicts_masks: ClassVar[bool] = True
    """Whether predictions are masks; otherwise they are labels of whole clips."""
    follows_updates: ClassVar[bool] = False
    """Whether `before_update` and `after_update` are called around every update."""

    def loss_totals(self, targets: Sequence[Any]) -> dict[str, float] | None:
        """Divisors of the losses of these clips, by name; divisors of two batches can be added.

        Returns:
            The divisors, or None if the losses are means over the batch.
        """
        return None

    @property
    def monitored(self) -> Mapping[str, Tensor]:
        """Numbers of the last step that are logged and not minimised."""
        return {}

    @property
    def pictures(self) -> Mapping[str, Tensor]:
        """Pictures of the last step by name, (3, H, W), 0 to 1, which are written sometimes."""
        return {}

    def before_update(self, iteration: int) -> None:
        """Called before every step with its number, from 0."""

    def after_update(self) -> None:
        """Called after every update of the weights."""

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """Describe a problem of the training, from means of `monitored`; None if there is none."""
        return None

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of a file under the names of this model."""
        return weights

    def deployed(self) -> "ClipModel":
        """The network that predicts: the student, if the model has a student and a teacher."""
        return self


class LabelFreeModel(ClipModel, ABC):
    """A model that is trained on frames without labels, and predicts no masks.

    A subclass computes its losses, which are means over images, in `losses_of`. It puts what is to
    be logged into `_monitored` and `_pictures`.
    """

    predicts_masks = False
    why_no_masks: ClassVar[str] = "this model predicts no masks"
    """The error of a prediction, which says what a trained model is for."""

    def __init__(self) -> None:
        super().__init__()
        self._monitored: dict[str, Tensor] = {}
        self._pictures: dict[str, Tensor] = {}

    @property
    def monitored(self) -> Mapping[str, Tensor]:
        """Numbers of the last step that are logged and not minimised."""
        return self._monitored

    @property
    def pictures(self) -> Mapping[str, Tensor]:
        """Pictures of the last step by name, (3, H, W), 0 to 1, which are written sometimes."""
        return self._pictures

    def forward(
        self,
        clips: list[Clip],
        targets: Sequence[Any] | None = None,
        unlabelled: list[UnlabelledViews] | None = None,
        totals: Totals | None = None,
    ) -> Losses:
        """Return the losses; `targets` and `totals` are not used.

        Raises:
            ValueError: the model is not in training mode, or `losses_of` raises it.
        """
        if not self.training:
            raise ValueError(self.why_no_masks)
        return self.losses_of(clips, unlabelled or [])

    @abstractmethod
    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Compute the losses by name; training minimises their sum."""


class Objective(nn.Module):
    """Loss of a student and its teacher: `objective(student, teacher, views)` returns losses."""

    iteration: int = 0
    """The number of the step; it is set before the step."""
    monitored: dict[str, Tensor]
    """Numbers of the last step that are logged and not minimised."""

    def __init__(self) -> None:
        super().__init__()
        self.monitored = {}

    def follow(self, momentum: float) -> None:
        """Called after every update with the momentum of the teacher."""

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """Describe a problem, from means of `monitored`; None if there is none."""
        return None


@runtime_checkable
class Segmenter(Protocol):
    """A model that states the probability of each class at each pixel, with a gradient."""

    def class_probabilities(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> Tensor:
        """Compute probabilities (B, K, T, h, w), 0 to 1, of B clips of one shape.

        The maps cover exactly the input, at any stride. `generators`, one per clip, give the random
        numbers of a model in training mode, such as those of stochastic depth.
        """
        ...


@runtime_checkable
class ImageModel(Protocol):
    """A model that makes better images of images, such as `Enhancer`."""

    def enhanced(self, frames: Tensor) -> Tensor:
        """Frames (N, C, H, W), 0 to 1, to enhanced ones, (N, C', H, W), 0 to 1."""
        ...


@runtime_checkable
class MaskMemoryModel(Protocol):
    """A model that may know its own masks of earlier frames, such as AR-SEG."""

    @property
    def remembers(self) -> bool:
        """True if the masks of earlier frames are known."""
        ...

    def predict_next(
        self, clips: list[Clip], earlier: list[Tensor]
    ) -> tuple[list[ClipPrediction], list[Tensor]]:
        """Predict the clips that follow; see `ARSegmenter.predict_next`."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """Images (N, 3, H, W) to feature maps by name: {"res2": (N, C2, H / 4, W / 4), ...}."""

    channels: Mapping[str, int]
    """Number of channels C of each feature map."""

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the feature maps of images (N, 3, H, W)."""
        ...


@runtime_checkable
class StridedBackbone(Backbone, Protocol):
    """A backbone that also states the strides of its feature maps."""

    strides: Mapping[str, int]
    """Stride of each feature map, in pixels of the image."""


@runtime_checkable
class TokenEncoder(Protocol):
    """A network from images (N, 3, H, W) of any size to one token per image, (N, D)."""

    token_dim: int
    """Width D of the token."""

    def forward_token(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, D)."""
        ...


@runtime_checkable
class HeadOfKnownMaps(Protocol):
    """A head that states its input maps, so that they can be compared with the backbone."""

    in_channels: Mapping[str, int]


@runtime_checkable
class HeadWithLosses(Protocol):
    """A head with special losses, which replace Dice and cross-entropy."""

    losses: Callable[..., Losses]
    """Function of (features, truth) that returns losses by name; see `SegViT.losses`."""
