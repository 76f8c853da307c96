"""The decoder of a U-Net for the maps of any backbone."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lgrseg.layers.convolutions import conv_norm_relu, enlarged, resized
from lgrseg.layers.map_size import map_size


class UNetDecoder(nn.Module):
    """Upsamples from the coarsest to the finest map; each skip is concatenated and convolved.

    Source: Ronneberger et al., "U-Net", MICCAI 2015. Differences: bilinear upsampling
    instead of transposed convolutions, because maps need not differ by a factor of 2; group norm,
    because batches are small (see convolutions.py).
    """

    def __init__(
        self,
        *,
        in_channels: dict[str, int],
        num_classes: int,
        dims: Sequence[int] = (256, 128, 64),
        upsample: int = 1,
    ):
        """Make a decoder of the maps in `in_channels`.

        Args:
            in_channels: number of channels of each map, "res2" to "res5" or some of them.
            num_classes: number K of classes, without the background.
            dims: widths, one for every step from a map to the next finer one.
            upsample: factor of the final bilinear upsampling: 1 gives stride 4, 4 gives full
                resolution.

        Raises:
            ValueError: the number of widths is not the number of maps minus 1.
        """
        super().__init__()
        self.in_channels = dict(in_channels)
        self.names = sorted(in_channels, reverse=True)  # res5 first
        if len(dims) != len(self.names) - 1:
            raise ValueError(
                f"{len(self.names)} maps need {len(self.names) - 1} widths in dims, one per step, "
                f"not {len(dims)}: {list(dims)}"
            )
        self.upsample = upsample
        coarse = [in_channels[self.names[0]], *dims]
        self.merge = nn.ModuleDict(
            {
                name: nn.Sequential(
                    conv_norm_relu(below + in_channels[name], dim), conv_norm_relu(dim, dim)
                )
                for name, below, dim in zip(self.names[1:], coarse, dims, strict=False)
            }
        )
        self.classify = nn.Conv2d(coarse[-1], num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Maps of `in_channels` -> (N, K + 1, h, w), h and w `upsample` times the finest's."""
        maps = features[self.names[0]]
        for name in self.names[1:]:
            skipped = features[name]
            maps = self.merge[name](torch.cat([resized(maps, map_size(skipped)), skipped], dim=1))
        return enlarged(self.classify(maps), self.upsample)
