"""Baseline: a U-Net of 1.9 M parameters, frame by frame, Dice + cross-entropy.

python tools/train_net.py --config-file configs/baselines/unet.py
"""

from lgrseg.config import L
from lgrseg.modeling.heads import PixelHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter, UNet

from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes

model = L(PerPixelSegmenter)(
    backbone=L(UNet)(width=16, num_levels=5),
    head=L(PixelHead)(in_channels=16, num_classes="${..num_classes}"),
    num_classes=num_classes,
)
optimizer.backbone_lr_factor = 1.0
train.max_iter = 700
train.clip_norm = 1.0
train.output_dir = "output/unet"
