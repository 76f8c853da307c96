"""Necks for any encoder: each function makes one for the maps that it is told of.

    neck = functools.partial(pyramid_of, dim=256)
    FoundationBackbone(encoder=encoder, neck=neck)  # calls neck(channels=[...], strides=[...])

In a config this is `neck=L(pyramid_of, partial=True)(dim=256)`.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from lgrseg.modeling.foundation.backbone import Neck, StagesAsLevels
from lgrseg.modeling.foundation.pyramid import (
    LEVELS,
    ViTPyramid,
    image_size,
    level_size,
    resample,
)


def pyramid_of(*, channels: Sequence[int], strides: Sequence[int], dim: int = 256) -> Neck:
    """Levels "res2" to "res5" of any encoder.

    The maps of an encoder with four stages are the levels already. Of maps with one stride,
    `ViTPyramid` makes levels of `dim` channels.

    Args:
        channels: numbers of channels of the encoder's maps.
        strides: strides of the encoder's maps, in pixels.
        dim: number of channels of each level of a `ViTPyramid`.
    """
    if len(set(strides)) == 1:
        return ViTPyramid(in_channels=channels[-1], stride=strides[-1], dim=dim)
    return StagesAsLevels(channels=list(channels), stride=strides[-1])


class ResampledLevels(nn.Module):
    """Some levels of any encoder, without weights: each is a map, resampled to a stride.

    Level "res2" is made of the first of four maps, "res3" of the second, and so on. If the encoder
    has one map, all are made of it. A stage at the stride of its level stays as it is.
    """

    def __init__(
        self, *, channels: Sequence[int], strides: Sequence[int], levels: Mapping[str, int]
    ):
        """Choose the levels.

        Args:
            channels: numbers of channels of the encoder's maps, one map or four.
            strides: strides of the encoder's maps, in pixels.
            levels: stride of each level, such as {"res2": 4, "res5": 16}.

        Raises:
            ValueError: there is no such level, or there are neither one map nor four.
        """
        super().__init__()
        if unknown := [name for name in levels if name not in LEVELS]:
            raise ValueError(f"there is no level {unknown[0]!r}; levels are {', '.join(LEVELS)}")
        if len(channels) not in (1, len(LEVELS)):
            raise ValueError(
                f"the encoder has {len(channels)} maps, but levels are made of one map or four: "
                "give it one layer or four"
            )
        self.of_map = {
            name: list(LEVELS).index(name) if len(channels) > 1 else 0 for name in levels
        }
        self.in_channels, self.in_strides = list(channels), list(strides)
        self.channels = {name: channels[number] for name, number in self.of_map.items()}
        self.strides = dict(levels)

    def check(self, channels: list[int], strides: list[int]) -> None:
        """Raise ValueError if an encoder's maps are not those for which the neck was made."""
        if (channels, strides) != (self.in_channels, self.in_strides):
            raise ValueError(
                f"the neck was made for maps of {self.in_channels} channels at strides "
                f"{self.in_strides}; the encoder's have {channels} at strides {strides}: give the "
                "neck channels and strides of the encoder, or neither of them and _partial_: true"
            )

    def forward(self, maps: list[Tensor], size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """Maps (N, C, h, w) to levels (N, C, ceil(H / s), ceil(W / s)).

        Args:
            maps: maps of the encoder.
            size: (H, W) of the images; None estimates it (`image_size`).
        """
        size = size or image_size(maps[-1], self.in_strides[-1])
        levels = {}
        for name, number in self.of_map.items():
            stride, to = self.in_strides[number], self.strides[name]
            levels[name] = resample(
                maps[number], stride=stride, to_stride=to, size=level_size(size, to)
            )
        return levels
