"""The plain convolutional head on one map of a frozen backbone."""

from collections.abc import Sequence

from torch import Tensor, nn

from lgrseg.layers.channel_dropout import ChannelDropout
from lgrseg.layers.convolutions import enlarged
from lgrseg.modeling.heads.linear_probe import named_map


class ConvHead(nn.Module):
    """Convolutions of decreasing width on one map, C -> 256 -> 128 -> K + 1, and resizing.

    The first ones are 3 x 3 with batch normalisation, GELU and dropout; the last is 1 x 1. Batch
    statistics are over the images of one process and step. Dropout sets whole channels to 0, with
    random numbers per clip (ChannelDropout).
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
        """Make a head for the map `feature`.

        Args:
            in_channels: number C of channels of the map, such as 768 for a ViT-B.
            num_classes: number K of classes, without the background.
            feature: name of the map.
            dims: widths of the convolutions before the last.
            dropout: probability that a channel is dropped after each of these convolutions.
            upsample: factor from the map's size to the scores' size; 4 gives stride 4 for a map
                of stride 16.
        """
        super().__init__()
        self.in_channels = {feature: in_channels}
        self.feature, self.upsample = feature, upsample
        layers = []
        for width_in, width_out in zip([in_channels, *dims], dims, strict=False):
            layers += [
                nn.Conv2d(width_in, width_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(width_out),
            ]
            layers += [nn.GELU(), ChannelDropout(width_out, dropout)]
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Conv2d([in_channels, *dims][-1], num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{feature: (N, C, h, w)} -> (N, K + 1, upsample * h, upsample * w)."""
        scores = self.classify(self.layers(named_map(features, self.feature)))
        return enlarged(scores, self.upsample)
