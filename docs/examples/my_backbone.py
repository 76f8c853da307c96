"""A backbone of your own: images (N, 3, H, W) to feature maps at strides 4, 8, 16 and 32."""

from torch import Tensor, nn


class SmallConvNet(nn.Module):
    """Four convolutions; a real backbone would have more.

    `channels` and `strides` describe the feature maps. The other parts of a model read them.
    """

    def __init__(self, *, width: int = 16):
        """`width` is the number of channels of the finest map; each next map has twice as many."""
        super().__init__()
        self.channels = {f"res{level + 2}": width * 2**level for level in range(4)}
        self.strides = {f"res{level + 2}": 4 * 2**level for level in range(4)}
        widths = [3, *self.channels.values()]
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(widths[i], widths[i + 1], 7, stride=4 if i == 0 else 2, padding=3),
                nn.GroupNorm(8, widths[i + 1]),
                nn.GELU(),
            )
            for i in range(4)
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, "res2" to "res5"."""
        features = {}
        for name, stage in zip(self.channels, self.stages, strict=True):
            images = features[name] = stage(images)
        return features
