"""Local-to-global self-distillation on videos without labels, in addition to the labelled clips.

The videos are all training videos, and those of NAME_unlabelled if the dataset has such a part.
model.weight.begin=N lets it begin after N iterations. It is better as a stage of its own before the
labels: see without_labels.py.
"""

from lgrseg.config import L
from lgrseg.data import (
    DenseSampler,
    HybridSampler,
    LocalGlobalMapper,
    RandomContrast,
    RandomGamma,
    RandomSpeckle,
    Unlabelled,
    unlabelled_parts,
)
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import CosineRamp, LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation

STEPS = "${train.max_iter}"


def change(cfg):
    """Use 8 videos, with 2 global views of 2 frames and 2 local views of 1 frame.

    Views are half as large as labelled clips, and local ones a quarter, but at least 64 pixels. A
    global view has frames from anywhere in the video. On the phantom study, a step takes 1.2
    seconds of one CPU core; one of labelled clips takes 0.9.
    """
    student, mapper = cfg.model, cfg.dataloader.train.mapper
    if "encoder" not in student:
        raise ValueError("method=lgsd distils LGRNet's frame queries: use a config of lgrnet/")
    cfg.model = L(SemiSupervised)(
        student=student,
        objective=L(LocalGlobalDistillation)(
            dim=student.encoder.dim,
            num_frame_queries=student.encoder.num_frame_queries,
            teacher_temperature=L(LinearRamp)(start=0.04, end=0.04, num_iterations=STEPS),
            hold_prototypes=50,
            global_pairs=True,
        ),
        weight=L(SigmoidRamp)(end=1.0, num_iterations=50),
        momentum=L(CosineRamp)(start=0.996, end=1.0, num_iterations=STEPS),
    )
    # A sampler without num_frames returns the whole video, such as CAMUS's pair of ED and ES.
    of_video = "num_frames" in mapper.frame_sampler
    cfg.dataloader.train.unlabelled = L(Unlabelled)(
        datasets=unlabelled_parts(cfg.dataloader.train.dataset),
        batch_size=8,
        mapper=L(LocalGlobalMapper)(
            global_sampler=(
                L(HybridSampler)(num_frames=2, num_far=1) if of_video else mapper.frame_sampler
            ),
            local_sampler=L(DenseSampler)(num_frames=1),
            global_size=[side(size / 2) for size in mapper.input_size],
            local_size=[side(size / 4) for size in mapper.input_size],
            num_local=2,
            augmentations=[L(RandomGamma)(), L(RandomContrast)(), L(RandomSpeckle)()],
        ),
    )


def side(pixels):
    """Round to a multiple of 32 of at least 64, because the coarsest map has stride 32."""
    return max(64, 32 * round(pixels / 32))
