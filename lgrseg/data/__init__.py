"""Data: list the videos (catalog), map one sample (mapper), batch (loader).

    from lgrseg.config import L, instantiate
    from lgrseg.data import ClipMapper, DenseSampler, build_train_loader, register_dataset

    register_dataset("mine_train", "datasets/mine", classes=["left_ventricle"])
    mapper = ClipMapper(frame_sampler=DenseSampler(num_frames=7), input_size=(128, 128))
    loader = build_train_loader(dataset="mine_train", mapper=mapper, batch_size=2, num_workers=0)
    clips, targets = next(iter(loader))

The names follow detectron2: DatasetCatalog and MetadataCatalog hold the datasets by name, a mapper
makes one sample, build_train_loader and build_test_loader make batches. Importing this package
registers the datasets, and loads neither torch nor models; a name is loaded when it is first used.
"""

import lgrseg.data.datasets  # noqa: F401  registers the names, reads no file
import lgrseg.data.described  # noqa: F401  adds the datasets that a config describes
from lgrseg.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "AnnotatedMapper": "lgrseg.data.mappers.clips",
        "ClipMapper": "lgrseg.data.mappers.clips",
        "DatasetCatalog": "lgrseg.data.catalog",
        "DenseSampler": "lgrseg.data.frame_sampling",
        "FixedCopies": "lgrseg.data.mappers.fixed_copies",
        "HybridSampler": "lgrseg.data.frame_sampling",
        "LabelMapper": "lgrseg.data.mappers.labels",
        "LocalGlobalMapper": "lgrseg.data.mappers.views",
        "MaskMapper": "lgrseg.data.mappers.masks",
        "MetadataCatalog": "lgrseg.data.catalog",
        "MixedSampler": "lgrseg.data.frame_sampling",
        "PromptedMapper": "lgrseg.data.mappers.clips",
        "RandomAffine": "lgrseg.data.transforms",
        "RandomBlur": "lgrseg.data.transforms.stills",
        "RandomClahe": "lgrseg.data.transforms.stills",
        "RandomCoarseDropout": "lgrseg.data.transforms.stills",
        "RandomContrast": "lgrseg.data.transforms",
        "RandomDepthGain": "lgrseg.data.transforms.scanner",
        "RandomElastic": "lgrseg.data.transforms",
        "RandomFlip": "lgrseg.data.transforms.stills",
        "RandomFourierStyle": "lgrseg.data.transforms.style",
        "RandomFrameMapper": "lgrseg.data.mappers.views",
        "RandomGamma": "lgrseg.data.transforms",
        "RandomGridDistortion": "lgrseg.data.transforms.stills",
        "RandomHistogramStyle": "lgrseg.data.transforms.style",
        "RandomLowResolution": "lgrseg.data.transforms.scanner",
        "RandomNoise": "lgrseg.data.transforms.stills",
        "RandomQuarterTurn": "lgrseg.data.transforms.stills",
        "RandomShadow": "lgrseg.data.transforms.scanner",
        "RandomSpeckle": "lgrseg.data.transforms",
        "SegmentSampler": "lgrseg.data.frame_sampling",
        "Unlabelled": "lgrseg.data.loader",
        "VideoRecord": "lgrseg.data.record",
        "WeakStrongMapper": "lgrseg.data.mappers.views",
        "WholeVideoSampler": "lgrseg.data.frame_sampling",
        "build_image_loader": "lgrseg.data.loader",
        "build_paired_loader": "lgrseg.data.loader",
        "build_test_loader": "lgrseg.data.loader",
        "build_train_loader": "lgrseg.data.loader",
        "build_unpaired_loader": "lgrseg.data.loader",
        "register_dataset": "lgrseg.data.registration",
        "unlabelled_parts": "lgrseg.data.described",
    },
)
