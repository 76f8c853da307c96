"""CAMUS, apical four-chamber: end-diastole and end-systole as a clip of two frames."""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import (
    ClipMapper,
    RandomAffine,
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
    WholeVideoSampler,
    build_test_loader,
    build_train_loader,
)
from lgrseg.evaluation import SegmentationEvaluator

num_classes = 3
input_size = [256, 256]

dataloader = OmegaConf.create(
    {
        "train": L(build_train_loader)(
            dataset="camus_4ch_train",
            mapper=L(ClipMapper)(
                frame_sampler=L(WholeVideoSampler)(),
                input_size=input_size,
                augmentations=[
                    L(RandomAffine)(rotation=15.0, scale=0.15, shift=0.1),
                    L(RandomGamma)(),
                    L(RandomContrast)(),
                    L(RandomSpeckle)(),
                ],
            ),
            batch_size=4,
            num_workers=0,
        ),
        "test": {
            "camus_4ch_val": L(build_test_loader)(
                dataset="camus_4ch_val",
                mapper=L(ClipMapper)(frame_sampler=L(WholeVideoSampler)(), input_size=input_size),
            )
        },
    }
)
evaluator = L(SegmentationEvaluator, partial=True)(
    protocol="ED and ES as one clip, native resolution"
)
