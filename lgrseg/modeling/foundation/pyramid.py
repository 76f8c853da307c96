"""Turns an encoder's maps into the pyramid for heads: "res2" to "res5", strides 4 to 32.

The recipe for plain transformers is ViTDet's simple feature pyramid (Li et al., ECCV 2022, arXiv
2203.16527, section 3): all levels come from the last map, which is at stride 16.

    res2  transposed convolution x2, norm, GELU, transposed convolution x2
    res3  transposed convolution x2
    res4  the map itself
    res5  maximum over 2 x 2
    each  1 x 1 convolution to `dim` channels, norm, 3 x 3 convolution, norm

The norm is LayerNorm over channels. A map of another stride (DINOv2: 14) is first resampled to
stride 16 (bilinear). With four maps (`layers` of build_encoder) each level gets one map: res2 the
first, and so on, as in BEiT and USFM with UPerNet.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.backbones.metaformer import ChannelNorm

LEVELS = {"res2": 4, "res3": 8, "res4": 16, "res5": 32}
"""Stride of each level by its name."""


def resample(maps: Tensor, *, stride: float, to_stride: float, size: tuple[int, int]) -> Tensor:
    """Resample maps at the cell centres of a grid with another stride, bilinear.

        cell i of the new grid has its centre at (i + 1/2) * to_stride, which in the old grid is
        position (i + 1/2) * to_stride / stride - 1/2; border values are repeated outside

    Both grids begin in the same corner for any size, which F.interpolate does not ensure.

    Args:
        maps: (N, C, h, w) feature maps.
        stride: stride of the maps in pixels of the image.
        to_stride: stride of the new grid in pixels of the image.
        size: (h', w') of the new grid.

    Returns:
        (N, C, h', w') maps.
    """
    if stride == to_stride and tuple(maps.shape[-2:]) == tuple(size):
        return maps
    whole = at_least_float32(maps)  # positions in half precision have errors of pixels
    axes = [
        (2 * torch.arange(length, device=maps.device, dtype=whole.dtype) + 1)
        * (to_stride / (stride * old_length))
        - 1  # grid_sample counts from -1 to 1 across the map
        for length, old_length in zip(size, maps.shape[-2:], strict=True)
    ]
    y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y], dim=-1).expand(len(maps), -1, -1, -1)
    return F.grid_sample(whole, grid, padding_mode="border", align_corners=False).to(maps.dtype)


def image_size(maps: Tensor, stride: int) -> tuple[int, int]:
    """Estimate the size of the images from the size of their maps (N, C, h, w).

    Models pad images to multiples of 32 (ImageNormalizer). If a multiple of 32 has h cells at this
    stride, it is the result. Otherwise the result is h * stride.
    """
    sizes = []
    for length in maps.shape[-2:]:
        multiple = 32 * (length * stride // 32)
        sizes.append(multiple if -(-multiple // stride) == length else length * stride)
    return sizes[0], sizes[1]


def level_size(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Size of a map that covers an image."""
    return -(-size[0] // stride), -(-size[1] // stride)


class _Neck(nn.Module):
    """Base class of pyramids: checks their inputs."""

    def __init__(self, *, in_channels: int, stride: int, dim: int):
        super().__init__()
        self.in_channels, self.stride = in_channels, stride
        self.channels = dict.fromkeys(LEVELS, dim)
        self.strides = dict(LEVELS)

    def check(self, channels: list[int], strides: list[int]) -> None:
        """Raise ValueError if an encoder's maps are not those for which the neck was made."""
        made_for = f"in_channels={self.in_channels}, stride={self.stride}"
        if set(channels) != {self.in_channels} or set(strides) != {self.stride}:
            raise ValueError(
                f"the neck has {made_for}, but the encoder's maps have channels {channels} at "
                f"strides {strides}: give the neck in_channels={channels[-1]}, stride={strides[-1]}"
            )
        if len(channels) not in (1, len(LEVELS)):
            raise ValueError(
                f"the neck needs one map or four, not {len(channels)}: give the encoder four layers"
            )

    def _one_each(self, maps: list[Tensor]) -> list[Tensor]:
        return list(maps) if len(maps) == len(LEVELS) else [maps[-1]] * len(LEVELS)


class ViTPyramid(_Neck):
    """ViTDet's simple feature pyramid; the recipe is at the top of this file."""

    def __init__(self, *, in_channels: int, stride: int, dim: int = 256):
        """`in_channels` and `stride` describe the encoder's maps; `dim` is the levels' width."""
        super().__init__(in_channels=in_channels, stride=stride, dim=dim)
        half, quarter = in_channels // 2, in_channels // 4
        self.scale = nn.ModuleDict(
            {
                "res2": nn.Sequential(
                    nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                    ChannelNorm(half),
                    nn.GELU(),
                    nn.ConvTranspose2d(half, quarter, 2, stride=2),
                ),
                "res3": nn.ConvTranspose2d(in_channels, half, 2, stride=2),
                "res4": nn.Identity(),
                "res5": nn.MaxPool2d(2, ceil_mode=True),
            }
        )
        widths = {"res2": quarter, "res3": half, "res4": in_channels, "res5": in_channels}
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(width, dim, 1, bias=False),
                    ChannelNorm(dim),
                    nn.Conv2d(dim, dim, 3, padding=1, bias=False),
                    ChannelNorm(dim),
                )
                for name, width in widths.items()
            }
        )

    def forward(self, maps: list[Tensor], size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """One map or four at `stride` to "res2" to "res5", (N, dim, ceil(H / s), ceil(W / s)).

        Args:
            maps: feature maps, (N, C, h, w) each.
            size: (H, W) of the images; None uses `image_size`.
        """
        size = size or image_size(maps[-1], self.stride)
        levels = {}
        for (name, stride), level in zip(LEVELS.items(), self._one_each(maps), strict=True):
            level = resample(level, stride=self.stride, to_stride=16, size=level_size(size, 16))
            height, width = level_size(size, stride)
            levels[name] = self.project[name](self.scale[name](level)[..., :height, :width])
        return levels


class ResizedPyramid(_Neck):
    """A pyramid without parameters: each level is the map, resampled to the level's stride.

    It is used for linear probes, which evaluate only the encoder.
    """

    def __init__(self, *, in_channels: int, stride: int):
        """`in_channels` and `stride` describe the encoder's maps."""
        super().__init__(in_channels=in_channels, stride=stride, dim=in_channels)

    def forward(self, maps: list[Tensor], size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """Like `ViTPyramid.forward`, but levels have the encoder's number of channels."""
        size = size or image_size(maps[-1], self.stride)
        return {
            name: resample(level, stride=self.stride, to_stride=to, size=level_size(size, to))
            for (name, to), level in zip(LEVELS.items(), self._one_each(maps), strict=True)
        }
