r"""The interleaved backbone on clips, followed by LGRNet's temporal encoder and decoder.

    python tools/train_net.py --config-file configs/foundation/hiera_dinov2_lgrnet.py \
        model.backbone.encoder.encoder.stages.weights=facebook/hiera-large-224-hf \
        model.backbone.encoder.encoder.patches.weights=facebook/dinov2-small

Weights as in hiera_dinov2.py. Expected: not measured yet.
"""

from ..common.hiera_dinov2 import interleaved_backbone
from ..common.lgrnet import model
from .hiera_dinov2 import dataloader, evaluator, num_classes, optimizer, schedule, train

model.backbone, model.encoder.in_channels = interleaved_backbone("hiera_large", 144)
model.decoder.num_classes = num_classes
train.clip_norm = 0.01
train.output_dir = "output/hiera_dinov2_lgrnet"
