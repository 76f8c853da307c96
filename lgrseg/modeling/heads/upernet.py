"""UPerNet: pyramid pooling on the coarsest map, a feature pyramid over all maps."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.channel_dropout import ChannelDropout
from lgrseg.layers.convolutions import conv_norm_relu, resized
from lgrseg.layers.map_size import map_size


class PyramidPooling(nn.Module):
    """Concatenates each position of a map with means over 1, 2, 3 and 6 cells per side.

    Source: Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, section 3.2.
    """

    def __init__(self, *, in_channels: int, dim: int, bins: Sequence[int] = (1, 2, 3, 6)):
        """`bins` are the numbers of cells along a side; each is projected to `dim`."""
        super().__init__()
        self.bins = tuple(bins)
        self.project = nn.ModuleList(conv_norm_relu(in_channels, dim, 1) for _ in self.bins)
        self.join = conv_norm_relu(in_channels + len(self.bins) * dim, dim)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) of any size -> (N, dim, h, w)."""
        pooled = [
            resized(project(F.adaptive_avg_pool2d(maps, cells)), map_size(maps))
            for cells, project in zip(self.bins, self.project, strict=True)
        ]
        return self.join(torch.cat([maps, *pooled], dim=1))


class UPerNet(nn.Module):
    """Pyramid pooling on res5, and a feature pyramid whose levels are joined at stride 4.

    Source: Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018, section
    3.1. Differences: group norm, because batch statistics of pooled maps with one cell and small
    batches are useless; width 256 instead of 512; dropout of channels per clip (ChannelDropout).
    """

    def __init__(
        self,
        *,
        in_channels: dict[str, int],
        num_classes: int,
        dim: int = 256,
        bins: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
    ):
        """Make a head on the maps in `in_channels`.

        Args:
            in_channels: number of channels of each map, "res2" to "res5".
            num_classes: number K of classes, without the background.
            dim: width of the head, a multiple of 8.
            bins: numbers of cells per side of the pyramid pooling.
            dropout: probability that a channel is dropped before the classifier.
        """
        super().__init__()
        self.in_channels = dict(in_channels)
        self.names = sorted(in_channels, reverse=True)  # res5 first
        self.pooling = PyramidPooling(in_channels=in_channels[self.names[0]], dim=dim, bins=bins)
        finer = self.names[1:]
        self.lateral = nn.ModuleDict({n: conv_norm_relu(in_channels[n], dim, 1) for n in finer})
        self.smooth = nn.ModuleDict({n: conv_norm_relu(dim, dim) for n in finer})
        self.fuse = conv_norm_relu(len(self.names) * dim, dim)
        self.dropout = ChannelDropout(dim, dropout)
        self.classify = nn.Conv2d(dim, num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Maps of `in_channels` -> (N, K + 1, h, w) at the finest map's size."""
        joined = self.pooling(features[self.names[0]])
        levels = [joined]
        for name in self.names[1:]:
            lateral = self.lateral[name](features[name])
            joined = lateral + resized(joined, map_size(lateral))
            levels.append(self.smooth[name](joined))
        levels = [resized(level, map_size(joined)) for level in levels]
        return self.classify(self.dropout(self.fuse(torch.cat(levels, dim=1))))
