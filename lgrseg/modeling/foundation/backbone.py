"""A pretrained encoder as a backbone of this project: "res2" to "res5" at strides 4 to 32."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from lgrseg.layers.map_size import map_size
from lgrseg.modeling.fitting import fitted
from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.pyramid import LEVELS


@runtime_checkable
class Neck(Protocol):
    """A module from an encoder's maps to a feature pyramid, such as `ViTPyramid`."""

    @property
    def channels(self) -> Mapping[str, int]:
        """Number of channels of every level."""
        ...

    @property
    def strides(self) -> Mapping[str, int]:
        """Stride of every level in pixels of the image."""
        ...

    def check(self, channels: list[int], strides: list[int]) -> None:
        """Raise ValueError if an encoder's maps are not those for which the neck was made."""

    def __call__(
        self, maps: list[Tensor], size: tuple[int, int] | None = None
    ) -> dict[str, Tensor]:
        """Compute the levels, by name, from the maps of images of `size`."""
        ...


class FoundationBackbone(nn.Module):
    """A pretrained encoder, and a neck that turns its maps into a feature pyramid.

    Encoder and neck are separate so that the maps of a frozen encoder, `encoder(images)`, can be
    cached on disk while `neck(maps)` is trained.

    The encoder pads images to whole patches by repeating their last row and column. Segmenters
    (PerPixelSegmenter, LGRNet) first pad images with black, at the right and the bottom, to
    multiples of 32, and crop the maps afterwards. If patches of 14 px need more padding, the
    encoder then repeats black pixels. So no image is too small.
    """

    neck: Neck

    def __init__(self, *, encoder: Encoder, neck: Neck | Callable[..., Neck] | None = None):
        """Combine encoder and neck.

        Args:
            encoder: encoder from `build_encoder`, which a function of tuning.py may have changed.
            neck: module from maps to a pyramid (pyramid.py, interleaved.py), or a function that
                makes it for the encoder's channels and strides (any_encoder.py); None if the
                encoder has four maps at strides 4, 8, 16, 32, or 4, 8, 16, 16 (`at_stride_16`).

        Raises:
            ValueError: the neck is missing, or was made for other maps.
        """
        super().__init__()
        if neck is None:
            stride = 16 if encoder.strides[-1:] == [16] else 32
            neck = StagesAsLevels(channels=encoder.channels, stride=stride)
        self.encoder = encoder
        self.neck = fitted(neck, channels=encoder.channels, strides=encoder.strides)
        self.neck.check(encoder.channels, encoder.strides)
        self.channels, self.strides = dict(self.neck.channels), dict(self.neck.strides)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Normalised images (N, 3, H, W) to {"res2": (N, C, ceil(H / 4), ceil(W / 4)), ...}."""
        return self.neck(self.encoder(images), size=map_size(images))


class StagesAsLevels(nn.Module):
    """The neck of an encoder whose maps are already the four levels."""

    def __init__(self, *, channels: list[int], stride: int = 32):
        """Name the maps.

        Args:
            channels: numbers of channels of the encoder's four maps.
            stride: stride of the last map, 32 or 16.
        """
        super().__init__()
        self.channels = dict(zip(LEVELS, channels, strict=False))
        self.strides = LEVELS | {"res5": stride}

    def check(self, channels: list[int], strides: list[int]) -> None:
        """Raise ValueError if an encoder's maps are not the four levels."""
        if strides != list(self.strides.values()):
            raise ValueError(
                f"the encoder's maps are at strides {strides}, not {list(LEVELS.values())}: give "
                f"it a neck, ViTPyramid(in_channels={channels[-1]}, stride={strides[-1]}), or "
                "pyramid_of, which fits every encoder"
            )

    def forward(self, maps: list[Tensor], size: tuple[int, int] | None = None) -> dict[str, Tensor]:
        """Return the maps by their names."""
        return dict(zip(LEVELS, maps, strict=True))
