"""Data: list the videos (catalog), map one sample (mapper), batch (loader).

    from lgrseg.config import L, instantiate
    from lgrseg.data import ClipMapper, DenseSampler, build_train_loader, register_dataset

    register_dataset("mine_train", "datasets/mine", classes=["left_ventricle"])
    mapper = ClipMapper(frame_sampler=DenseSampler(num_frames=7), input_size=(128, 128))
    loader = build_train_loader(dataset="mine_train", mapper=mapper, batch_size=2, num_workers=0)
    clips, targets = next(iter(loader))

The names follow detectron2: DatasetCatalog and MetadataCatalog hold the datasets by name, a mapper
makes one sample, build_train_loader and build_test_loader make batches. Importing this package
loads neither models nor the engine.
"""

import lgrseg.data.datasets  # noqa: F401  registers the names, reads no file
import lgrseg.data.described  # noqa: F401  adds the datasets that a config describes
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.described import unlabelled_parts
from lgrseg.data.frame_sampling import (
    DenseSampler,
    HybridSampler,
    MixedSampler,
    SegmentSampler,
    WholeVideoSampler,
)
from lgrseg.data.loader import Unlabelled, build_test_loader, build_train_loader
from lgrseg.data.mappers.clips import AnnotatedMapper, ClipMapper, PromptedMapper
from lgrseg.data.mappers.fixed_copies import FixedCopies
from lgrseg.data.mappers.labels import LabelMapper
from lgrseg.data.mappers.masks import MaskMapper
from lgrseg.data.mappers.views import LocalGlobalMapper, RandomFrameMapper, WeakStrongMapper
from lgrseg.data.record import VideoRecord
from lgrseg.data.registration import register_dataset
from lgrseg.data.transforms import (
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)
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

__all__ = [
    "AnnotatedMapper",
    "ClipMapper",
    "DatasetCatalog",
    "DenseSampler",
    "FixedCopies",
    "HybridSampler",
    "LabelMapper",
    "LocalGlobalMapper",
    "MaskMapper",
    "MetadataCatalog",
    "MixedSampler",
    "PromptedMapper",
    "RandomAffine",
    "RandomBlur",
    "RandomClahe",
    "RandomCoarseDropout",
    "RandomContrast",
    "RandomDepthGain",
    "RandomElastic",
    "RandomFlip",
    "RandomFrameMapper",
    "RandomGamma",
    "RandomGridDistortion",
    "RandomLowResolution",
    "RandomNoise",
    "RandomQuarterTurn",
    "RandomShadow",
    "RandomSpeckle",
    "SegmentSampler",
    "Unlabelled",
    "VideoRecord",
    "WeakStrongMapper",
    "WholeVideoSampler",
    "build_test_loader",
    "build_train_loader",
    "register_dataset",
    "unlabelled_parts",
]
