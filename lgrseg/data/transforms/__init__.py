"""Augmentations, the same for all frames of a clip, and resizing."""

from lgrseg.data.transforms.scanner import (
    RandomDepthGain,
    RandomLowResolution,
    RandomShadow,
)
from lgrseg.data.transforms.stills import (
    RandomBlur,
    RandomClahe,
    RandomCoarseDropout,
    RandomFlip,
    RandomGridDistortion,
    RandomNoise,
    RandomQuarterTurn,
)
from lgrseg.data.transforms.video import (
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)

__all__ = [
    "RandomAffine",
    "RandomBlur",
    "RandomClahe",
    "RandomCoarseDropout",
    "RandomContrast",
    "RandomDepthGain",
    "RandomElastic",
    "RandomFlip",
    "RandomGamma",
    "RandomGridDistortion",
    "RandomLowResolution",
    "RandomNoise",
    "RandomQuarterTurn",
    "RandomShadow",
    "RandomSpeckle",
]
