"""Hiera and DINOv2 in parallel: DINOv2's patch features are joined to Hiera's four stages.

Usually both are frozen, and only the neck and the head are trained. At 224 px, DINOv2's 16 x 16 map
is projected to 144 channels (the width of Hiera-large's first stage), resized to 56, 28, 14 and 7,
and concatenated with Hiera's maps along the channels.
"""

import torch
from torch import Tensor, nn

from lgrseg.layers.map_size import map_size
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.pyramid import LEVELS, resample


class InterleavedEncoder(Encoder):
    """Two encoders for the same images; returns the maps of the first, then those of the second."""

    def __init__(self, *, stages: Encoder, patches: Encoder):
        """Combine two encoders.

        Args:
            stages: encoder with four maps at strides 4, 8, 16, 32, such as Hiera.
            patches: encoder with one map, such as DINOv2.

        Raises:
            ValueError: an encoder has other maps.
        """
        if stages.strides != list(LEVELS.values()) or len(patches.strides) != 1:
            raise ValueError(
                f"stages must have maps at strides {list(LEVELS.values())} and patches one map; "
                f"these have strides {stages.strides} and {patches.strides}"
            )
        super().__init__(
            channels=stages.channels + patches.channels,
            strides=stages.strides + patches.strides,
            token_dim=stages.token_dim + patches.token_dim,
            least_size=max(stages.least_size, patches.least_size),
        )
        self.stages, self.patches = stages, patches

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks of the first encoder, then those of the second."""
        return self.stages.blocks + self.patches.blocks

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Encoder.forward`: the four stages' maps, then the patches' map."""
        return self.stages(images) + self.patches(images)

    def forward_token(self, images: Tensor) -> Tensor:
        """Both tokens, concatenated along the channels."""
        tokens = [self.stages.forward_token(images), self.patches.forward_token(images)]
        return torch.cat(tokens, dim=1)


class InterleavedNeck(nn.Module):
    """Projects the patches' map and concatenates it with every stage's map at its resolution."""

    def __init__(
        self,
        *,
        stage_channels: tuple[int, ...] = (144, 288, 576, 1152),
        patch_channels: int = 384,
        patch_stride: int = 14,
        dim: int = 144,
    ):
        """The default widths are those of Hiera-large and DINOv2-small.

        Args:
            stage_channels: numbers of channels of the four stages' maps.
            patch_channels: number of channels of the patches' map.
            patch_stride: stride of the patches' map in pixels.
            dim: number of channels of the projected patches' map.
        """
        super().__init__()
        self.stage_channels, self.patch_stride = list(stage_channels), patch_stride
        self.project = nn.Conv2d(patch_channels, dim, 1)
        joined = [width + dim for width in stage_channels]
        self.channels = dict(zip(LEVELS, joined, strict=True))
        self.strides = dict(LEVELS)

    def check(self, channels: list[int], strides: list[int]) -> None:
        """Raise ValueError if an encoder's maps are not those for which the neck was made."""
        expected = [*self.stage_channels, self.project.in_channels]
        if channels != expected or strides != [*LEVELS.values(), self.patch_stride]:
            raise ValueError(
                f"the neck was made for maps of {expected} channels, the last at stride "
                f"{self.patch_stride}; the encoder's have {channels} at strides {strides}: give "
                f"the neck stage_channels={channels[:-1]}, patch_channels={channels[-1]}, "
                f"patch_stride={strides[-1]}"
            )

    def forward(self, maps: list[Tensor], size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """The stages' maps and the patches' map to "res2" to "res5", (N, C + dim, h, w).

        Args:
            maps: maps of an InterleavedEncoder.
            size: ignored, because a stage's map has the size of its level.
        """
        *stages, patches = maps
        patches, levels = self.project(patches), {}
        for (name, stride), stage in zip(LEVELS.items(), stages, strict=True):
            at_level = resample(
                patches,
                stride=self.patch_stride,
                to_stride=stride,
                size=map_size(stage),
            )
            levels[name] = torch.cat([stage, at_level], dim=1)
        return levels
