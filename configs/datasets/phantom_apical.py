"""Simulated apical scans with the labels of CAMUS; no real image is used.

Like camus.py, with stronger augmentation. A trained run is tested on real scans with
--eval-only --datasets camus_4ch_val.
"""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import (
    ClipMapper,
    RandomAffine,
    RandomBlur,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
    WholeVideoSampler,
    build_test_loader,
    build_train_loader,
)

from .camus import evaluator, input_size, num_classes

dataloader = OmegaConf.create(
    {
        "train": L(build_train_loader)(
            dataset="phantom_apical_train",
            mapper=L(ClipMapper)(
                frame_sampler=L(WholeVideoSampler)(),
                input_size=input_size,
                augmentations=[
                    L(RandomAffine)(rotation=15.0, scale=0.2, shift=0.1, prob=0.8),
                    L(RandomElastic)(displacement=0.03, prob=0.5),
                    L(RandomGamma)(gamma=1.8),
                    L(RandomContrast)(contrast=0.35, brightness=0.15),
                    L(RandomBlur)(sigma=1.6, prob=0.3),
                    L(RandomSpeckle)(strength=0.25, prob=0.5),
                ],
            ),
            batch_size=4,
            num_workers=0,
        ),
        "test": {
            "phantom_apical_val": L(build_test_loader)(
                dataset="phantom_apical_val",
                mapper=L(ClipMapper)(frame_sampler=L(WholeVideoSampler)(), input_size=input_size),
            )
        },
    }
)
