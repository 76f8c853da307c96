"""Training clips take grey levels and coarse texture of unlabelled frames, such as real ones.

The frames are those of camus_4ch_train, without their labels. For others, the name of a dataset or
a folder of images:

dataloader.train.mapper.augmentations.0.source=clips/frames
dataloader.train.mapper.augmentations.1.source=clips/frames
"""

from lgrseg.config import L
from lgrseg.data import RandomFourierStyle, RandomHistogramStyle


def change(cfg):
    """Change the style before the augmentations of the dataset."""
    mapper = cfg.dataloader.train.mapper
    styles = [
        L(RandomHistogramStyle)(source="camus_4ch_train", prob=0.5),
        L(RandomFourierStyle)(source="camus_4ch_train", width=0.05, prob=0.5),
    ]
    mapper.augmentations = [*styles, *mapper.augmentations]
