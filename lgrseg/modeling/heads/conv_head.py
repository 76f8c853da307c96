"""The plain convolutional head on one map of a frozen backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

from lgrseg.layers.channel_dropout import ChannelDropout
from lgrseg.layers.convolutions import enlarged
from lgrseg.modeling.heads.linear_probe import named_map


class ConvHead(nn.Module):
    """Convolutions of falling width on one map, C -> 256 -> 128 -> K + 1, and bilinear resizing.

    Each of the first is 3 x 3 with batch normalisation, GELU and dropout; the last is 1 x 1. Batch
    statistics are over the images that a process sees at a time. Dropout leaves whole channels
    out, drawn for every clip by itself (ChannelDropout).
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        feature: str = "res4",
        dims: Sequence[int] = (256, 128),
        dropout: float = 0.1,
        upsample: int = 4,
    ):
        """A head for the map `feature`.

        Args:
            in_channels: C of it, such as 768 for a ViT-B.
            num_classes: K, without the background.
            feature: name of the map.
            dims: widths of the convolutions before the last.
            dropout: probability of a channel to be left out, after each of them.
            upsample: how many times larger than the map the scores are; 4 brings stride 16 to 4.
        """
        super().__init__()
        self.in_channels = {feature: in_channels}
        self.feature, self.upsample = feature, upsample
        layers = []
        for before, after in zip([in_channels, *dims], dims, strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
            layers += [nn.GELU(), ChannelDropout(after, dropout)]
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Conv2d([in_channels, *dims][-1], num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{feature: (N, C, h, w)} -> (N, K + 1, upsample * h, upsample * w)."""
        scores = self.classify(self.layers(named_map(features, self.feature)))
        return enlarged(scores, self.upsample)
