"""Masks instead of pictures: for models that learn from masks alone."""

from lgrseg.config import L
from lgrseg.data import DenseSampler, MaskMapper, RandomAffine
from lgrseg.evaluation.mask_tokens import TokenEvaluator


def use_masks(dataloader, *, num_classes, batch_size):
    """Let all loaders make clips of masks; a training clip is one mask, moved and mirrored."""
    size = dataloader.train.mapper.input_size
    dataloader.train.mapper = L(MaskMapper)(
        num_classes=num_classes,
        frame_sampler=L(DenseSampler)(num_frames=1),
        input_size=size,
        augmentations=[L(RandomAffine)(rotation=17.0, scale=0.25, shift=0.2, flip=0.5)],
    )
    dataloader.train.batch_size = batch_size
    for loader in dataloader.test.values():
        loader.mapper = L(MaskMapper)(
            num_classes=num_classes,
            frame_sampler=loader.mapper.frame_sampler,
            input_size=loader.mapper.input_size,
        )


def token_evaluator():
    """Dice of the reconstruction, and the use of the codes."""
    return L(TokenEvaluator, partial=True)(
        protocol="reconstruction of the ground truth, native resolution"
    )
