"""Frozen DINOv3 ViT-S/16 instead of DINOv2; otherwise as dinov2.py.

    python tools/train_net.py --config-file configs/foundation/dinov3.py \
        model.backbone.encoder.encoder.weights=weights/dinov3_vits16_pretrain_lvd1689m.pth

Weights: dinov3_vits16_pretrain_lvd1689m-*.pth from https://github.com/facebookresearch/dinov3, or
the hub id facebook/dinov3-vits16-pretrain-lvd1689m; both must be requested there. Without
weights the frozen encoder is random, which only tests the program. Expected: not measured yet.
"""

from .dinov2 import dataloader, evaluator, model, optimizer, schedule, train

model.backbone.encoder.encoder.name = "dinov3_vits16"
model.backbone.neck.stride = 16
train.output_dir = "output/dinov3"
