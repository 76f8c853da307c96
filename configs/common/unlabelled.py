"""What learning from unlabelled videos adds to a BASIC model: LGSD, or a mean teacher."""

from lgrseg.config import L
from lgrseg.data import (
    DenseSampler,
    LocalGlobalMapper,
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
    Unlabelled,
    WeakStrongMapper,
)
from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import CosineRamp, LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation

STEPS = "${train.max_iter}"


def lgsd(student, *, begin):
    """Local-to-global self-distillation beside the student's own losses, from iteration `begin`."""
    return L(SemiSupervised)(
        student=student,
        objective=L(LocalGlobalDistillation)(
            dim=student.encoder.dim,
            num_frame_queries=student.encoder.num_frame_queries,
            teacher_temperature=L(LinearRamp)(start=0.02, end=0.02, num_iterations=STEPS),
        ),
        weight=L(SigmoidRamp)(end=1.0, num_iterations=50, begin=begin),
        momentum=L(CosineRamp)(start=0.99, end=1.0, num_iterations=STEPS),
    )


def lgsd_views(mapper, *, datasets=(), local_frames=3, local_size=(64, 64), batch_size=1):
    """2 global views of the labelled clips' length and size, and 9 local ones."""
    return L(Unlabelled)(
        datasets=list(datasets),
        batch_size=batch_size,
        mapper=L(LocalGlobalMapper)(
            global_sampler=mapper.frame_sampler,
            local_sampler=L(DenseSampler)(num_frames=local_frames),
            global_size=mapper.input_size,
            local_size=list(local_size),
            augmentations=[L(RandomGamma)(), L(RandomContrast)(), L(RandomSpeckle)()],
        ),
    )


def mean_teacher(student, *, begin):
    """Consistency of masks with a teacher's beside the student's own losses, from `begin` on."""
    return L(SemiSupervised)(
        student=student,
        objective=L(MaskConsistency)(threshold=0.9),
        weight=L(SigmoidRamp)(end=20.0, num_iterations=50, begin=begin),
        momentum=L(CosineRamp)(start=0.99, end=1.0, num_iterations=STEPS),
    )


def mean_teacher_views(mapper, *, datasets=(), batch_size=1):
    """Clips as the labelled ones are, moved alike for both, their grey levels for the student."""
    return L(Unlabelled)(
        datasets=list(datasets),
        batch_size=batch_size,
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
