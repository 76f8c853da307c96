"""Sparsely annotated videos: dense clips around annotated frames, 7 in training, 11 at test."""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    RandomAffine,
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
    build_test_loader,
    build_train_loader,
)
from lgrseg.evaluation import SegmentationEvaluator

num_classes = 4

train_mapper = L(ClipMapper)(
    frame_sampler=L(DenseSampler)(num_frames=7),
    input_size=[336, 336],
    augmentations=[
        L(RandomAffine)(rotation=15.0, scale=0.15, shift=0.1),
        L(RandomGamma)(gamma=1.5),
        L(RandomContrast)(contrast=0.2, brightness=0.1),
        L(RandomSpeckle)(strength=0.15, prob=0.5),
    ],
)
test_mapper = L(ClipMapper)(frame_sampler=L(DenseSampler)(num_frames=11), input_size=[384, 384])
train_loader = L(build_train_loader)(
    dataset="???", mapper=train_mapper, batch_size=4, num_workers=4
)
val_loader = L(build_test_loader)(dataset="???", mapper=test_mapper, num_workers=2)
test_loader = L(build_test_loader)(dataset="???", mapper=test_mapper, num_workers=2)
evaluator = L(SegmentationEvaluator, partial=True)(
    protocol="annotated frame in the middle of a dense clip of 11, native resolution"
)
