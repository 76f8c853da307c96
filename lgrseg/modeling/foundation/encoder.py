"""Interface of all pretrained encoders: images of any size to feature maps and a global token."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.drop_path import DropPath

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Model = TypeVar("Model", bound=nn.Module)


class Encoder(nn.Module, ABC):
    """A pretrained network without its head.

    A module whose parameters are all frozen stays in evaluation mode during training, so it has no
    dropout and its batch statistics do not change.
    """

    channels: list[int]
    """Number of channels of each map that `forward` returns."""
    strides: list[int]
    """Stride of each map in pixels of the image, such as [14] or [4, 8, 16, 32]."""
    token_dim: int
    """Number of channels of the token that `forward_token` returns."""

    def __init__(self, *, channels: list[int], strides: list[int], token_dim: int, least_size: int):
        """`least_size` is the size of one patch in pixels; smaller images raise an error."""
        super().__init__()
        self.channels, self.strides = list(channels), list(strides)
        self.token_dim, self.least_size = token_dim, least_size

    @property
    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The blocks in order, to train only the last ones or to set layer-wise rates."""

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images (N, 3, H, W) of any size to maps (N, C, ceil(H / s), ceil(W / s)).

        Images are padded to whole patches by repeating their last row and column.

        Raises:
            ValueError: an image is smaller than one patch.
        """

    @abstractmethod
    def forward_token(self, images: Tensor) -> Tensor:
        """Images as in `forward` to one global token per image (N, token_dim)."""

    def train(self, mode: bool = True) -> "Encoder":
        """Set the mode, but keep frozen modules in evaluation mode."""
        super().train(mode)
        if mode:
            keep_frozen_in_eval(self)
        return self

    def padded(self, images: Tensor, divisor: int) -> Tensor:
        """Pad images at the right and the bottom to multiples of `divisor` by repeating pixels."""
        height, width = images.shape[-2:]
        if min(height, width) < self.least_size:
            raise ValueError(
                f"images have {height} x {width} px, less than one patch of {self.least_size} px: "
                f"resize them (input_size of the mapper) to at least {self.least_size} px per side"
            )
        return F.pad(images, (0, -width % divisor, 0, -height % divisor), mode="replicate")


class TransformersEncoder(Encoder):
    """An encoder around one model of transformers."""

    model: "PreTrainedModel"


def covering(maps: Tensor, stride: int, images: Tensor) -> Tensor:
    """Crop maps (N, C, h, w) of padded images to the part that covers the images."""
    height, width = images.shape[-2:]
    return maps[..., : -(-height // stride), : -(-width // stride)]


def keep_frozen_in_eval(module: nn.Module) -> None:
    """Set every module whose parameters are all frozen to evaluation mode."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        keep_frozen_in_eval(child)


def with_own_drop_paths(model: Model) -> Model:
    """Replace the stochastic depth of transformers by that of this project.

    Its random numbers then belong to the clip, not to the batch (drop_path.py). If transformers has
    one module for attention and MLP of a block, both are dropped together.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("DropPath") and not isinstance(child, DropPath):
                setattr(module, name, DropPath(cast(float, child.drop_prob)))
    return model
