r"""Self-distillation in the style of DINO on single frames; without labels.

    python tools/train_net.py --config-file configs/pretraining/dino.py dataset=camus
    python tools/export_encoder.py --run output/pretraining_dino_camus --output weights/mae_tiny.pth

The loss is that of method=lgsd, with the token of a frame instead of LGRNet's queries: whitened
tokens and a centre that begins at the mean, because small runs collapse otherwise. DINO has 65536
prototypes, views of 224 and 96 px, and 10 local ones; here are fewer and smaller ones, for a CPU.
model.student.backbone.name is any encoder; model.objective.dim is then the width of its last map,
such as 320 of efficientnet_lite0.
"""

from lgrseg.config import L
from lgrseg.data import DenseSampler, LocalGlobalMapper
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.frame_encoder import FrameEncoder
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import CosineRamp, LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation

from .emp_ssl import dataloader, evaluator, num_classes, probe, train  # noqa: F401
from .usfm import optimizer, schedule

STEPS = "${train.max_iter}"

model = L(SemiSupervised)(
    student=L(FrameEncoder)(backbone=L(build_encoder)(name="mae_tiny", weights=None)),
    objective=L(LocalGlobalDistillation)(
        dim=192,
        num_frame_queries=1,
        num_prototypes=1024,
        hidden_dim=512,
        bottleneck_dim=128,
        teacher_temperature=L(LinearRamp)(start=0.04, end=0.04, num_iterations=STEPS),
        num_videos=256,
        hold_prototypes=50,
        global_pairs=True,
    ),
    weight=L(SigmoidRamp)(end=1.0, num_iterations=0),
    momentum=L(CosineRamp)(start=0.996, end=1.0, num_iterations=STEPS),
)
dataloader.train.unlabelled.mapper = L(LocalGlobalMapper)(
    global_sampler=L(DenseSampler)(num_frames=1),
    local_sampler=L(DenseSampler)(num_frames=1),
    global_size=[112, 112],
    local_size=[64, 64],
    num_local=4,
    global_scale=[0.4, 1.0],
    local_scale=[0.1, 0.4],
    augmentations=dataloader.train.unlabelled.mapper.augmentations,
)
probe.size = [112, 112]
train.max_iter = 4000
train.clip_norm = 3.0
train.output_dir = "output/pretraining_dino"
