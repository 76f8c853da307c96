"""Mean teacher: on videos without labels, masks must agree with those of an averaged model.

It begins after half of the run; model.weight.begin=N lets it begin after N iterations. The videos
are all training videos, and those of NAME_unlabelled if the dataset has such a part.
"""

from lgrseg.config import L
from lgrseg.data import (
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
    Unlabelled,
    WeakStrongMapper,
    unlabelled_parts,
)
from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import CosineRamp, SigmoidRamp


def change(cfg):
    """Move a clip equally for teacher and student; change grey levels only for the student."""
    student, mapper = cfg.model, cfg.dataloader.train.mapper
    if "decoder" not in student:
        raise ValueError("method=mean_teacher compares LGRNet's masks: use a config of lgrnet/")
    cfg.model = L(SemiSupervised)(
        student=student,
        objective=L(MaskConsistency)(threshold=0.9),
        weight=L(SigmoidRamp)(end=20.0, num_iterations=50, begin="${half:${train.max_iter}}"),
        momentum=L(CosineRamp)(start=0.99, end=1.0, num_iterations="${train.max_iter}"),
    )
    cfg.dataloader.train.unlabelled = L(Unlabelled)(
        datasets=unlabelled_parts(cfg.dataloader.train.dataset),
        batch_size=1,
        mapper=L(WeakStrongMapper)(
            frame_sampler=mapper.frame_sampler,
            input_size=mapper.input_size,
            shared=[augment for augment in mapper.augmentations if "Affine" in augment._target_],
            strong=[
                L(RandomGamma)(gamma=2.0),
                L(RandomContrast)(contrast=0.4, brightness=0.2),
                L(RandomSpeckle)(strength=0.25),
            ],
        ),
    )
