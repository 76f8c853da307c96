"""Data: list the videos (catalog), map one sample (mapper), batch (loader)."""

import lgrseg.data.datasets  # noqa: F401  registers the names, touches nothing else
import lgrseg.data.described  # noqa: F401  what a config says of its datasets is known
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
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
from lgrseg.data.mappers.views import LocalGlobalMapper, WeakStrongMapper
from lgrseg.data.transforms import (
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
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
    "MetadataCatalog",
    "MixedSampler",
    "PromptedMapper",
    "RandomAffine",
    "RandomBlur",
    "RandomClahe",
    "RandomCoarseDropout",
    "RandomContrast",
    "RandomElastic",
    "RandomFlip",
    "RandomGamma",
    "RandomGridDistortion",
    "RandomNoise",
    "RandomQuarterTurn",
    "RandomSpeckle",
    "SegmentSampler",
    "Unlabelled",
    "WeakStrongMapper",
    "WholeVideoSampler",
    "build_test_loader",
    "build_train_loader",
]
