"""Feature pyramid network with a class score for every pixel."""

from torch import Tensor, nn

from lgrseg.layers.convolutions import conv_norm_relu, resized
from lgrseg.layers.map_size import map_size


class FPNHead(nn.Module):
    """Feature pyramid to stride 4 and a class score for every pixel.

    Source: Lin et al., "Feature Pyramid Networks", CVPR 2017; coarse maps are added to finer ones.
    """

    def __init__(self, *, in_channels: dict[str, int], num_classes: int, dim: int = 64):
        super().__init__()
        self.in_channels = dict(in_channels)
        self.names = sorted(in_channels, reverse=True)  # res5 first
        self.lateral = nn.ModuleDict({n: nn.Conv2d(in_channels[n], dim, 1) for n in self.names})
        self.smooth = conv_norm_relu(dim, dim)
        self.classify = nn.Conv2d(dim, num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Backbone maps "res2" to "res5" -> (N, K + 1, H/4, W/4)."""
        joined = self.lateral[self.names[0]](features[self.names[0]])
        for name in self.names[1:]:
            lateral = self.lateral[name](features[name])
            joined = lateral + resized(joined, map_size(lateral))
        return self.classify(self.smooth(joined))
