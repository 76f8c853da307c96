"""Baseline: PVTv2-b0 with a plain FPN, frame by frame, Dice + cross-entropy.

python tools/train_net.py --config-file configs/baselines/pvt_fpn.py
"""

from lgrseg.config import L
from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.heads import FPNHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes

model = L(PerPixelSegmenter)(
    backbone=L(PVTv2)(variant="b0", drop_path_rate=0.1),
    head=L(FPNHead)(
        in_channels={"res2": 32, "res3": 64, "res4": 160, "res5": 256},
        num_classes="${..num_classes}",
        dim=64,
    ),
    num_classes=num_classes,
)
optimizer.lr = 6e-4
optimizer.backbone_lr_factor = 1.0
optimizer.weight_decay = 0.01
train.max_iter = 1800
train.clip_norm = 1.0
train.output_dir = "output/pvt_fpn"
