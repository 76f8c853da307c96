"""A pretrained encoder as a backbone of this project: "res2" to "res5" at strides 4 to 32."""

from torch import Tensor, nn

from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.pyramid import LEVELS


class FoundationBackbone(nn.Module):
    """An encoder, and a neck that makes the pyramid of its maps.

    The two are apart because a frozen encoder's maps can be kept on disk: what is cached is
    `encoder(images)`, and `neck(maps)` is trained.

    Images that it gets as they are, the encoder continues to whole patches with their last row and
    column. Segmenters (PerPixelSegmenter, LGRNet) pad theirs before, with black at the right and
    the bottom to multiples of 32, and crop the maps afterwards; the encoder then continues that
    black where a patch asks for more (of 14 px), and no image is too small for it.
    """

    def __init__(self, *, encoder: Encoder, neck: nn.Module | None = None):
        """Join them.

        Args:
            encoder: from `build_encoder`, or after one of tuning.py's functions.
            neck: from maps to a pyramid (pyramid.py, interleaved.py); None where the encoder gives
                four maps at strides 4, 8, 16, 32.

        Raises:
            ValueError: the neck is missing, or made for other maps.
        """
        super().__init__()
        self.encoder, self.neck = encoder, neck or StagesAsLevels(channels=encoder.channels)
        self.neck.check(encoder.channels, encoder.strides)
        self.channels, self.strides = dict(self.neck.channels), dict(self.neck.strides)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised images (N, 3, H, W) -> {"res2": (N, C, ceil(H / 4), ceil(W / 4)), ...}."""
        return self.neck(self.encoder(images), size=tuple(images.shape[-2:]))


class StagesAsLevels(nn.Module):
    """The neck of an encoder that has the four levels already."""

    def __init__(self, *, channels: list[int]):
        """`channels` are those of the encoder's four maps."""
        super().__init__()
        self.channels = dict(zip(LEVELS, channels, strict=False))
        self.strides = dict(LEVELS)

    def check(self, channels: list[int], strides: list[int]) -> None:
        """Raise ValueError where an encoder's maps are not the four levels."""
        if strides != list(LEVELS.values()):
            raise ValueError(
                f"the encoder's maps are at strides {strides}, not {list(LEVELS.values())}: give "
                f"it a neck, ViTPyramid(in_channels={channels[-1]}, stride={strides[-1]})"
            )

    def forward(self, maps: list[Tensor], size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """The maps by their names."""
        return dict(zip(LEVELS, maps, strict=True))
