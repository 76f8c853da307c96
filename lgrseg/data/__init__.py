"""Data: list the videos (catalog), map one sample (mapper), batch (loader)."""

import lgrseg.data.datasets  # noqa: F401  registers the names, touches nothing else
from lgrseg.data.catalog import DatasetCatalog, MetadataCatalog
from lgrseg.data.frame_sampling import DenseSampler, WholeVideoSampler
from lgrseg.data.loader import build_test_loader, build_train_loader
from lgrseg.data.mapper import ClipMapper
from lgrseg.data.transforms import (
    RandomAffine,
    RandomContrast,
    RandomElastic,
    RandomGamma,
    RandomSpeckle,
)

__all__ = [
    "ClipMapper",
    "DatasetCatalog",
    "DenseSampler",
    "MetadataCatalog",
    "RandomAffine",
    "RandomContrast",
    "RandomElastic",
    "RandomGamma",
    "RandomSpeckle",
    "WholeVideoSampler",
    "build_test_loader",
    "build_train_loader",
]
