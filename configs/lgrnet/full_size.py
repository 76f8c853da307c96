"""BASIC LGRNet as large as the published model; on CardiacUDC unless another dataset is chosen.

    python tools/train_net.py --config-file configs/lgrnet/full_size.py

Not measured yet: CardiacUDC is not public without registration.
"""

from lgrseg.config import L
from lgrseg.engine.solver import StepSchedule

from ..common.lgrnet import model
from ..common.train import optimizer, train
from ..datasets.cardiac_udc import dataloader, evaluator, num_classes

model.backbone.variant = "b2"
model.encoder.in_channels = {"res2": 64, "res3": 128, "res4": 320, "res5": 512}
model.decoder.num_classes = num_classes
model.decoder.ffn_dim = 2048

optimizer.lr = 1e-3
optimizer.backbone_lr_factor = 0.1
schedule = L(StepSchedule)(
    max_iter="${train.max_iter}", milestones=[0.25, 0.5, 0.75], gamma=0.5, warmup=500
)
train.max_iter = 12_000
train.amp = True
train.eval_period = 1000
train.export_videos = 5
train.output_dir = "output/lgrnet_full_size"
