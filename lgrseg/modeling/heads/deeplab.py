"""DeepLabV3+: parallel dilated convolutions on a coarse map, and a decoder with a fine one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lgrseg.layers.channel_dropout import ChannelDropout
from lgrseg.layers.convolutions import conv_norm_relu, resized
from lgrseg.layers.map_size import map_size


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling (ASPP): a position sees its surroundings at several scales.

    The branches are a 1 x 1 convolution, a dilated 3 x 3 convolution for each rate, and the mean of
    the whole map. They are concatenated and projected by a 1 x 1 convolution. With rate r a
    position is computed from the positions at the distances -r, 0 and r in each direction.

    Source: Chen et al., "Rethinking Atrous Convolution", 2017, arXiv 1706.05587, section 3.3.
    """

    def __init__(self, *, in_channels: int, dim: int, rates: Sequence[int] = (6, 12, 18)):
        """Make the branches.

        Args:
            in_channels: number C of channels of the map.
            dim: width of every branch and of the result, a multiple of 8.
            rates: distances between the nine weights of each 3 x 3 convolution, in positions.

        Raises:
            ValueError: a rate is below 1, or `dim` is not a multiple of 8.
        """
        super().__init__()
        if any(rate < 1 for rate in rates):
            raise ValueError(f"rates are distances of at least 1 position, not {list(rates)}")
        dilated = [conv_norm_relu(in_channels, dim, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList([conv_norm_relu(in_channels, dim, 1), *dilated])
        self.image = conv_norm_relu(in_channels, dim, 1)
        self.join = conv_norm_relu((len(rates) + 2) * dim, dim, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) of any size -> (N, dim, h, w)."""
        whole = self.image(maps.mean(dim=(-2, -1), keepdim=True))
        branches = [branch(maps) for branch in self.branches]
        return self.join(torch.cat([*branches, whole.expand_as(branches[0])], dim=1))


class DeepLabV3Plus(nn.Module):
    """ASPP on the coarsest map; its result is enlarged, joined with the finest map, and refined.

    Source: Chen et al., "Encoder-Decoder with Atrous Separable Convolution", ECCV 2018, sections
    3.1 and 4.1: low-level features of 48 channels, then two 3 x 3 convolutions. Differences: group
    norm, because the mean of a map has one value per image (see convolutions.py); plain
    convolutions; dropout of channels per clip (ChannelDropout).
    """

    def __init__(
        self,
        *,
        in_channels: dict[str, int],
        num_classes: int,
        dim: int = 256,
        low_dim: int = 48,
        rates: Sequence[int] = (6, 12, 18),
        dropout: float = 0.1,
    ):
        """Make a head on two maps.

        Args:
            in_channels: number of channels of the two maps, a fine one (stride 4) and a coarse one
                (stride 16), such as {"res2": 64, "res5": 512}.
            num_classes: number K of classes, without the background.
            dim: width of the head, a multiple of 8.
            low_dim: number of channels to which the fine map is reduced, a multiple of 8.
            rates: distances of the dilated convolutions, in positions of the coarse map; the
                default is that for stride 16.
            dropout: probability that a channel is dropped before the classifier.

        Raises:
            ValueError: there are not two maps, or a width is not a multiple of 8.
        """
        super().__init__()
        if len(in_channels) != 2:
            raise ValueError(
                f"in_channels has {', '.join(in_channels) or 'no map'}; DeepLabV3+ uses two maps, "
                'such as {"res2": 64, "res5": 512}'
            )
        self.in_channels = dict(in_channels)
        self.fine, self.coarse = sorted(in_channels)
        self.pyramid = AtrousPyramid(in_channels=in_channels[self.coarse], dim=dim, rates=rates)
        self.reduce = conv_norm_relu(in_channels[self.fine], low_dim, 1)
        self.refine = nn.Sequential(conv_norm_relu(dim + low_dim, dim), conv_norm_relu(dim, dim))
        self.dropout = ChannelDropout(dim, dropout)
        self.classify = nn.Conv2d(dim, num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Maps of `in_channels` -> (N, K + 1, h, w) at the size of the fine map."""
        fine = self.reduce(features[self.fine])
        coarse = resized(self.pyramid(features[self.coarse]), map_size(fine))
        return self.classify(self.dropout(self.refine(torch.cat([coarse, fine], dim=1))))
