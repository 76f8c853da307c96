"""BASIC LGRNet on CardiacUDC, full size (DESIGN of the published model: width 64, 336/384 px).

    python tools/train_net.py --config-file configs/lgrnet/cardiac_udc.py

Not measured yet: the data is not public without registration. Meant for one GPU.
"""

from lgrseg.config import L
from lgrseg.engine.solver import StepSchedule

from ..common.data.cardiac_udc import dataloader, evaluator, num_classes
from ..common.models.lgrnet import model
from ..common.train import optimizer, train

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
train.output_dir = "output/lgrnet/cardiac_udc"
