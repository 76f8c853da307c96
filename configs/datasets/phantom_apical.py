"""Simulated apical scans with the labels of CAMUS; no real image is used.

Like camus.py, with stronger augmentation. A trained run is tested on real scans with
--eval-only --datasets camus_4ch_val.
"""

from lgrseg.config import L
from lgrseg.data import (
    RandomAffine,
    RandomBlur,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)

from .camus import dataloader, evaluator, num_classes

dataloader.train.dataset = "phantom_apical_train"
dataloader.train.mapper.augmentations = [
    L(RandomAffine)(rotation=15.0, scale=0.2, shift=0.1, prob=0.8),
    L(RandomElastic)(displacement=0.03, prob=0.5),
    L(RandomGamma)(gamma=1.8),
    L(RandomContrast)(contrast=0.35, brightness=0.15),
    L(RandomBlur)(sigma=1.6, prob=0.3),
    L(RandomSpeckle)(strength=0.25, prob=0.5),
]
_val = dataloader.test.camus_4ch_val
_val.dataset = "phantom_apical_val"
dataloader.test = {"phantom_apical_val": _val}
