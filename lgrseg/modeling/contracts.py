"""What a model and its parts must offer; everything outside this package relies on no more.

A model subclasses `ClipModel`. Parts need no base class: a network that offers what a protocol
lists is such a part.

Letters: B clips, N images, K classes, D width of a token.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

Losses = dict[str, Tensor]
Totals = Mapping[str, float | Tensor]


class ClipModel(nn.Module):
    """A model of clips: losses in training mode, predictions otherwise.

    `forward(clips, targets=None, totals=None)` takes B clips of one shape. In training mode it
    returns the losses by name, whose sum is minimised; otherwise one prediction a clip
    (`ClipPrediction` or `LabelPrediction`). Everything else has a default here.
    """

    num_classes: int | None = None
    """K, which is compared with the data sets; None: not compared."""
    predicts_masks: ClassVar[bool] = True
    """Whether its predictions are masks; otherwise they are labels of whole clips."""
    has_teacher: ClassVar[bool] = False
    """Whether `before_update` and `after_update` are called around every update."""

    def loss_totals(self, targets: Sequence[Any]) -> dict[str, float] | None:
        """Divisors of the losses of these clips, by name; those of two batches can be added.

        Returns:
            The divisors, or None where the losses of a batch are means over it.
        """
        return None

    @property
    def monitored(self) -> Mapping[str, Tensor]:
        """Numbers of the last step that are logged and not minimised."""
        return {}

    def before_update(self, iteration: int) -> None:
        """Called before every step with its number, from 0."""

    def after_update(self) -> None:
        """Called after every update of the weights."""

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """What has gone wrong in training, from means of `monitored`; None where nothing has."""
        return None

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights of a file under the names of this model."""
        return weights

    def deployed(self) -> "ClipModel":
        """The network that predicts: of a student with a teacher, the student."""
        return self


class Objective(nn.Module):
    """What a student learns from its teacher: `objective(student, teacher, views)` gives losses."""

    iteration: int = 0
    """The number of the step, set before it."""
    monitored: dict[str, Tensor]
    """Numbers of the last step that are logged and not minimised."""

    def __init__(self) -> None:
        super().__init__()
        self.monitored = {}

    def follow(self, momentum: float) -> None:
        """Called after every update with the momentum of the teacher."""

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """What has gone wrong, from means of `monitored`; None where nothing has."""
        return None


@runtime_checkable
class Backbone(Protocol):
    """Images (N, 3, H, W) to feature maps by name: {"res2": (N, C2, H / 4, W / 4), ...}."""

    channels: Mapping[str, int]
    """C of every feature map."""

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps of (N, 3, H, W) images."""
        ...


@runtime_checkable
class StridedBackbone(Backbone, Protocol):
    """A backbone that also says how large its feature maps are."""

    strides: Mapping[str, int]
    """Pixels of the image between two pixels of every feature map."""


@runtime_checkable
class TokenEncoder(Protocol):
    """Images (N, 3, H, W) of any size to one token each, (N, D)."""

    token_dim: int
    """D."""

    def forward_token(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, D)."""
        ...


@runtime_checkable
class HeadOfKnownMaps(Protocol):
    """A head that says which feature maps it was made for; they are compared with the backbone."""

    in_channels: Mapping[str, int]


@runtime_checkable
class HeadWithLosses(Protocol):
    """A head that is trained by losses of its own instead of Dice and cross-entropy."""

    losses: Callable[..., Losses]
    """`losses(features, truth)`: losses by name, see `SegViT.losses`."""
