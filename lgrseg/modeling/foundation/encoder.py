"""What every pretrained encoder of this package is: images of any size in, maps and a token out."""

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.drop_path import DropPath


class Encoder(nn.Module, ABC):
    """A pretrained network without its head.

    What is frozen stays as it was: a module all of whose parameters are frozen is in eval mode also
    while the rest trains, so its dropout and its batch statistics do not move.
    """

    channels: list[int]
    """Of each map that `forward` gives."""
    strides: list[int]
    """Of each map, in pixels of the image: [14], or [4, 8, 16, 32]."""
    token_dim: int
    """Width of what `forward_token` gives."""

    def __init__(self, *, channels: list[int], strides: list[int], token_dim: int, least_size: int):
        """`least_size` is that of one patch: smaller images are refused."""
        super().__init__()
        self.channels, self.strides = list(channels), list(strides)
        self.token_dim, self.least_size = token_dim, least_size

    @property
    @abstractmethod
    def blocks(self) -> list[nn.Module]:
        """The blocks from the image on, for tuning the last ones and layer-wise rates."""

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images (N, 3, H, W) of any size -> maps (N, C, ceil(H / s), ceil(W / s)).

        Images are continued with their last row and column up to a whole number of patches.

        Raises:
            ValueError: an image smaller than one patch.
        """

    @abstractmethod
    def forward_token(self, images: Tensor) -> Tensor:
        """Images as in `forward` -> one vector an image (N, token_dim)."""

    def train(self, mode: bool = True) -> "Encoder":
        """As torch does it, but what is frozen stays in eval mode."""
        super().train(mode)
        if mode:
            keep_frozen_in_eval(self)
        return self

    def padded(self, images: Tensor, divisor: int) -> Tensor:
        """Images continued at the right and the bottom to multiples of `divisor`."""
        height, width = images.shape[-2:]
        if min(height, width) < self.least_size:
            raise ValueError(
                f"images are {height} x {width} px, less than one patch of {self.least_size} px: "
                f"resize them (the mapper's input_size) to {self.least_size} px or more a side"
            )
        return F.pad(images, (0, -width % divisor, 0, -height % divisor), mode="replicate")


def covering(maps: Tensor, stride: int, images: Tensor) -> Tensor:
    """The part of maps (N, C, h, w) of padded images that covers the images themselves."""
    height, width = images.shape[-2:]
    return maps[..., : -(-height // stride), : -(-width // stride)]


def keep_frozen_in_eval(module: nn.Module) -> None:
    """Put every module all of whose parameters are frozen into eval mode."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        keep_frozen_in_eval(child)


def with_own_drop_paths(model: nn.Module) -> nn.Module:
    """The model with transformers' stochastic depth replaced by this project's.

    Its draws are then the clip's (drop_path.py), not the batch's. Where transformers has one module
    for attention and MLP of a block, both are dropped together.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("DropPath") and not isinstance(child, DropPath):
                setattr(module, name, DropPath(child.drop_prob))
    return model
