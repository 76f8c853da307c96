"""Frozen DINOv2-small and a small convolutional head, at 224 px, for tumours in MRI slices.

    python tools/train_net.py --config-file configs/foundation/dinov2.py \
        model.backbone.encoder.encoder.weights=weights/dinov2_vits14_pretrain.pth

Weights: dinov2_vits14_pretrain.pth from https://github.com/facebookresearch/dinov2, or the hub id
facebook/dinov2-small. Without weights the frozen encoder is random, which only tests the program.
Data: tools/prepare_dataset.py brain_tumor_coco. Expected: not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import FoundationBackbone, ResizedPyramid, build_encoder, frozen
from lgrseg.modeling.heads import ConvHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from ..common.train import optimizer, schedule, train
from ..datasets.brain_tumor import dataloader, evaluator, num_classes

model = L(PerPixelSegmenter)(
    backbone=L(FoundationBackbone)(
        encoder=L(frozen)(encoder=L(build_encoder)(name="dinov2_small", weights=None)),
        neck=L(ResizedPyramid)(in_channels=384, stride=14),
    ),
    # At stride 8, so that resampling loses no detail with patches of 14 or 16 px.
    head=L(ConvHead)(in_channels=384, num_classes="${..num_classes}", feature="res3", upsample=2),
    num_classes=num_classes,
)
for _loader in (dataloader.train, *dataloader.test.values()):
    _loader.mapper.input_size = [224, 224]
optimizer.weight_decay = 0.01
schedule.warmup = 20
train.max_iter = 600
train.eval_period = 12  # one epoch
train.checkpoint_period = 120
train.example_overlays = 4
train.clip_norm = 1.0
train.output_dir = "output/dinov2"
