"""Heads of one 1 x 1 convolution on one map."""

from torch import Tensor, nn


class PixelHead(nn.Module):
    """A class score for every pixel of one map, by a 1 x 1 convolution."""

    def __init__(self, *, in_channels: int, num_classes: int, feature: str = "res0"):
        super().__init__()
        self.in_channels = {feature: in_channels}
        self.feature = feature
        self.classify = nn.Conv2d(in_channels, num_classes + 1, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{feature: (N, C, h, w)} -> (N, K + 1, h, w)."""
        return self.classify(named_map(features, self.feature))


class LinearProbe(PixelHead):
    """Linear probe of a frozen backbone: batch normalisation and a 1 x 1 convolution.

    Source: Oquab et al., "DINOv2", TMLR 2024, section 7.4, the "linear" segmentation head: batch
    normalisation and a linear layer on patch tokens, at the resolution of the tokens. Its scores
    are resized to the pixels (bilinear) by losses and predictions. Batch statistics are over the
    images of one process and step.
    """

    def __init__(self, *, in_channels: int, num_classes: int, feature: str = "res4"):
        super().__init__(in_channels=in_channels, num_classes=num_classes, feature=feature)
        self.norm = nn.BatchNorm2d(in_channels)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """{feature: (N, C, h, w)} -> (N, K + 1, h, w)."""
        return self.classify(self.norm(named_map(features, self.feature)))


def named_map(features: dict[str, Tensor], name: str) -> Tensor:
    """Select one of a backbone's maps.

    Raises:
        ValueError: the backbone has no map of this name.
    """
    if name not in features:
        raise ValueError(f"the backbone has {', '.join(features)}, not {name!r}; set head.feature")
    return features[name]
