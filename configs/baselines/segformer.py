"""Baseline: SegFormer-b0 of transformers from random weights, frame by frame.

    python tools/train_net.py --config-file configs/baselines/segformer.py

Everything but the model is that of pvt_fpn.py: data, losses, optimiser and schedule. Not measured
yet.
"""

from lgrseg.config import L
from lgrseg.modeling.backbones import MixTransformer
from lgrseg.modeling.heads import AllMlpHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from .pvt_fpn import dataloader, evaluator, num_classes, optimizer, schedule, train

model = L(PerPixelSegmenter)(
    backbone=L(MixTransformer)(variant="b0", drop_path_rate=0.1),
    head=L(AllMlpHead)(
        in_channels={"res2": 32, "res3": 64, "res4": 160, "res5": 256},
        num_classes="${..num_classes}",
    ),
    num_classes=num_classes,
)
train.output_dir = "output/segformer"
