"""Data: list the videos (catalog), map one sample (mapper), batch (loader)."""

import lgrseg.data.datasets  # noqa: F401  registers the names, touches nothing else
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.fixed_copies import FixedCopies
from lgrseg.data.frame_sampling import (
    DenseSampler,
    HybridSampler,
    MixedSampler,
    SegmentSampler,
    WholeVideoSampler,
)
from lgrseg.data.label_mapper import LabelMapper
from lgrseg.data.loader import Unlabelled, build_test_loader, build_train_loader
from lgrseg.data.mapper import AnnotatedMapper, ClipMapper, PromptedMapper
from lgrseg.data.transforms import (
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)
from lgrseg.data.transforms_stills import (
    RandomBlur,
    RandomClahe,
    RandomCoarseDropout,
    RandomFlip,
    RandomGridDistortion,
    RandomNoise,
    RandomQuarterTurn,
)
from lgrseg.data.views import LocalGlobalMapper, WeakStrongMapper

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
