"""Still images with masks, at 224 px, strongly augmented. Each image is a clip of one frame."""

from lgrseg.config import L
from lgrseg.data import (
    ClipMapper,
    RandomAffine,
    RandomBlur,
    RandomClahe,
    RandomCoarseDropout,
    RandomContrast,
    RandomElastic,
    RandomFlip,
    RandomGamma,
    RandomGridDistortion,
    RandomNoise,
    RandomQuarterTurn,
    WholeVideoSampler,
    build_test_loader,
    build_train_loader,
)
from lgrseg.evaluation import SegmentationEvaluator

num_classes = 1

augmentations = [
    L(RandomFlip)(horizontal=0.5, vertical=0.5),
    L(RandomQuarterTurn)(prob=0.5),
    L(RandomAffine)(rotation=20.0, scale=0.2, shift=0.1, prob=0.7),
    L(RandomElastic)(displacement=0.03, prob=0.2),
    L(RandomGridDistortion)(prob=0.2),
    L(RandomGamma)(prob=0.3),
    L(RandomContrast)(prob=0.3),
    L(RandomClahe)(prob=0.2),
    L(RandomBlur)(prob=0.2),
    L(RandomNoise)(prob=0.2),
    L(RandomCoarseDropout)(prob=0.2),
]
"""For images whose content can have any orientation, such as tumours. For a dataset with one
orientation, remove the first two."""

train_mapper = L(ClipMapper)(
    frame_sampler=L(WholeVideoSampler)(), input_size=[224, 224], augmentations=augmentations
)
test_mapper = L(ClipMapper)(frame_sampler=L(WholeVideoSampler)(), input_size=[224, 224])
train_loader = L(build_train_loader)(
    dataset="???", mapper=train_mapper, batch_size=8, num_workers=2
)
val_loader = L(build_test_loader)(dataset="???", mapper=test_mapper)
test_loader = L(build_test_loader)(dataset="???", mapper=test_mapper)
evaluator = L(SegmentationEvaluator, partial=True)(protocol="still images, native resolution")
