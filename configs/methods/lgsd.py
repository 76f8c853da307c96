"""Local-to-global self-distillation on videos without labels, in addition to the labelled clips.

It begins after half of the run; model.weight.begin=N lets it begin after N iterations. The videos
are all training videos, and those of NAME_unlabelled if the dataset has such a part.
"""

from lgrseg.config import L
from lgrseg.data import (
    DenseSampler,
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
    """Use 2 global views as long and large as labelled clips, and 9 local views half as large."""
    student, mapper = cfg.model, cfg.dataloader.train.mapper
    if "encoder" not in student:
        raise ValueError("method=lgsd distils LGRNet's frame queries: use a config of lgrnet/")
    cfg.model = L(SemiSupervised)(
        student=student,
        objective=L(LocalGlobalDistillation)(
            dim=student.encoder.dim,
            num_frame_queries=student.encoder.num_frame_queries,
            teacher_temperature=L(LinearRamp)(start=0.02, end=0.02, num_iterations=STEPS),
        ),
        weight=L(SigmoidRamp)(end=1.0, num_iterations=50, begin="${half:${train.max_iter}}"),
        momentum=L(CosineRamp)(start=0.99, end=1.0, num_iterations=STEPS),
    )
    # A sampler without num_frames returns the whole video, such as CAMUS's pair of ED and ES.
    num_local_frames = 3 if "num_frames" in mapper.frame_sampler else 1
    cfg.dataloader.train.unlabelled = L(Unlabelled)(
        datasets=unlabelled_parts(cfg.dataloader.train.dataset),
        batch_size=1,
        mapper=L(LocalGlobalMapper)(
            global_sampler=mapper.frame_sampler,
            local_sampler=L(DenseSampler)(num_frames=num_local_frames),
            global_size=mapper.input_size,
            local_size=[size // 2 for size in mapper.input_size],
            augmentations=[L(RandomGamma)(), L(RandomContrast)(), L(RandomSpeckle)()],
        ),
    )
