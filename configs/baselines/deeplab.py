"""Baseline: DeepLabV3+ on a ResNet-18 from random weights, frame by frame, Dice + cross-entropy.

    python tools/train_net.py --config-file configs/baselines/deeplab.py

The last stage of the ResNet is dilated, so that its map is at stride 16. Everything but the model
is that of pvt_fpn.py. model.backbone.encoder.encoder.weights=FILE starts from a pretrained ResNet.
model.backbone.encoder.encoder.name may be any encoder; the last map of others is resampled to
stride 16. Not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    ResampledLevels,
    build_encoder,
    dilated_if_resnet,
)
from lgrseg.modeling.heads import DeepLabV3Plus
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from .pvt_fpn import dataloader, evaluator, num_classes, optimizer, schedule, train

model = L(PerPixelSegmenter)(
    backbone=L(FoundationBackbone)(
        encoder=L(dilated_if_resnet)(
            encoder=L(build_encoder)(name="vfm4us_resnet18", weights=None)
        ),
        neck=L(ResampledLevels, partial=True)(levels={"res2": 4, "res5": 16}),
    ),
    head=L(DeepLabV3Plus, partial=True)(num_classes="${..num_classes}", dim=128),
    num_classes=num_classes,
)
train.output_dir = "output/deeplab"
