"""Data: list the videos (catalog), map one sample (mapper), batch (loader)."""

import lgrseg.data.datasets  # noqa: F401  registers the names, touches nothing else
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.frame_sampling import (
    DenseSampler,
    HybridSampler,
    MixedSampler,
    WholeVideoSampler,
)
from lgrseg.data.loader import Unlabelled, build_test_loader, build_train_loader
from lgrseg.data.mapper import AnnotatedMapper, ClipMapper, PromptedMapper
from lgrseg.data.transforms import (
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)
from lgrseg.data.views import LocalGlobalMapper, WeakStrongMapper

__all__ = [
    "AnnotatedMapper",
    "ClipMapper",
    "DatasetCatalog",
    "DenseSampler",
    "HybridSampler",
    "LocalGlobalMapper",
    "MetadataCatalog",
    "MixedSampler",
    "PromptedMapper",
    "RandomAffine",
    "RandomContrast",
    "RandomElastic",
    "RandomGamma",
    "RandomSpeckle",
    "Unlabelled",
    "WeakStrongMapper",
    "WholeVideoSampler",
    "build_test_loader",
    "build_train_loader",
]
