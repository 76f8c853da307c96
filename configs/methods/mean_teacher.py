"""Mean teacher: on videos without labels, masks must agree with those of an averaged model.

For every model with class_probabilities (contracts.Segmenter): LGRNet and per-pixel models. The
weight rises over the first tenth of the run and is constant afterwards. The videos are all training
videos, and those of NAME_unlabelled if the dataset has such a part. For other videos only, such as
real ones beside simulated labels:

dataloader.train.unlabelled.datasets=[camus_4ch_train]
dataloader.train.unlabelled.training_videos=False
"""

from lgrseg.config import L
from lgrseg.config.targets import locate
from lgrseg.data import (
    RandomBlur,
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
    Unlabelled,
    WeakStrongMapper,
    unlabelled_parts,
)
from lgrseg.modeling.semi_supervised.cut_mix import CutMix
from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import AverageWarmup, SigmoidRamp


def change(cfg):
    """Move a clip equally for teacher and student; change grey levels only for the student."""
    student, mapper = cfg.model, cfg.dataloader.train.mapper
    computes_them = hasattr(locate(student._target_), "class_probabilities")
    if not computes_them or "frame_sampler" not in mapper:  # AR-SEG has a mapper without sampler
        raise ValueError(
            "method=mean_teacher compares probabilities of pixels, which "
            f"{student._target_.rsplit('.')[-1]} does not compute in training: use a config of "
            "lgrnet/ or baselines/"
        )
    cfg.model = L(SemiSupervised)(
        student=student,
        objective=L(MaskConsistency)(threshold=0.9, mix=L(CutMix)()),
        weight=L(SigmoidRamp)(
            end=5.0 if "criterion" in student else 1.0,  # LGRNet's own mask losses have weight 5
            num_iterations="${tenth:${train.max_iter}}",
            begin=0,
        ),
        momentum=L(AverageWarmup)(start=0.0, end=0.99),
    )
    cfg.dataloader.train.unlabelled = L(Unlabelled)(
        datasets=unlabelled_parts(cfg.dataloader.train.dataset),
        batch_size=2,
        mapper=L(WeakStrongMapper)(
            frame_sampler=mapper.frame_sampler,
            input_size="${dataloader.train.mapper.input_size}",
            shared=[augment for augment in mapper.augmentations if "Affine" in augment._target_],
            strong=[
                L(RandomGamma)(gamma=2.0),
                L(RandomContrast)(contrast=0.4, brightness=0.2),
                L(RandomBlur)(sigma=2.0, prob=0.5),
                L(RandomSpeckle)(strength=0.25),
            ],
        ),
    )
