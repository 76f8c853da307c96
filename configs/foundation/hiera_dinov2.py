r"""Interleaved Hiera-large and DINOv2-small, both frozen. The adapter and the U-Net are trained.

    python tools/train_net.py --config-file configs/foundation/hiera_dinov2.py \
        model.backbone.encoder.encoder.stages.weights=facebook/hiera-large-224-hf \
        model.backbone.encoder.encoder.patches.weights=facebook/dinov2-small

To compare it with each of the two encoders alone, with the same U-Net, on features saved to disk:

    encoder=model.backbone.encoder.encoder
    python tools/compare_backbones.py --config-file configs/foundation/hiera_dinov2.py \
        --backbones hiera_large=facebook/hiera-large-224-hf dinov2_small=facebook/dinov2-small \
        config:configs/foundation/hiera_dinov2.py,\
$encoder.stages.weights=facebook/hiera-large-224-hf,\
$encoder.patches.weights=facebook/dinov2-small \
        --output output/compare_camus

Weights: the two hub ids, or hiera_large_224.pth and dinov2_vits14_pretrain.pth of their authors.
Without weights the frozen encoders are random, which only tests the program. Expected: not measured
yet. hiera_tiny_dinov2.py is a smaller version for CPUs.
"""

from ..common.hiera_dinov2 import interleaved_model
from ..common.train import optimizer, schedule, train
from ..datasets.camus import dataloader, evaluator, num_classes

model = interleaved_model("hiera_large", 144)
model.num_classes = num_classes
for _loader in (dataloader.train, *dataloader.test.values()):
    _loader.mapper.input_size = [224, 224]
optimizer.weight_decay = 0.01
train.max_iter = 3000
train.clip_norm = 1.0
train.example_overlays = 4
train.output_dir = "output/hiera_dinov2"
