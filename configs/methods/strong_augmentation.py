"""Strong augmentation of ultrasound clips: nnU-Net's list, and settings and artefacts of scanners.

It replaces the augmentations of the dataset. Hearts are never mirrored, and there is no noise
outside the fan.
"""

from lgrseg.config import L
from lgrseg.data import (
    RandomAffine,
    RandomBlur,
    RandomContrast,
    RandomDepthGain,
    RandomElastic,
    RandomGamma,
    RandomLowResolution,
    RandomShadow,
    RandomSpeckle,
)


def change(cfg):
    """Use artefacts that follow the beams first, then movements, then changes of grey levels."""
    cfg.dataloader.train.mapper.augmentations = [
        L(RandomDepthGain)(strength=0.15, prob=0.3),
        L(RandomShadow)(strength=0.5, prob=0.25),
        L(RandomAffine)(rotation=25.0, scale=0.25, shift=0.1),
        L(RandomElastic)(displacement=0.04, prob=0.5),
        L(RandomGamma)(gamma=1.6),
        L(RandomContrast)(contrast=0.3),
        L(RandomBlur)(sigma=1.5, prob=0.2),
        L(RandomLowResolution)(factor=2.0, prob=0.2),
        L(RandomSpeckle)(strength=0.2, prob=0.3),
    ]
