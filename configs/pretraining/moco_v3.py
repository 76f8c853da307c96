r"""MoCo v3, for comparison: two views of a frame against all other frames; without labels.

    python tools/train_net.py --config-file configs/pretraining/moco_v3.py dataset=camus
    python tools/export_encoder.py --run output/pretraining_moco_v3_camus \
        --output weights/resnet.pth

Frames and augmentations are those of emp_ssl.py, with 2 views of each of 64 frames instead of 8 of
16, so the encoder sees as many images in a step. MoCo v3 has batches of 4096 and heads of 4096
channels; here they are smaller, for a CPU. For a ViT, model.temperature=0.2. Measured in
docs/results.md with EfficientNet-Lite0 and a temperature of 0.2.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.momentum_contrast import MomentumContrastModel
from lgrseg.modeling.semi_supervised.schedules import CosineRamp

from .emp_ssl import (  # noqa: F401
    dataloader,
    evaluator,
    num_classes,
    optimizer,
    probe,
    schedule,
    train,
)

model = L(MomentumContrastModel)(
    backbone=L(build_encoder)(name="vfm4us_resnet18", weights=None),
    momentum=L(CosineRamp)(start=0.99, end=1.0, num_iterations="${train.max_iter}"),
    hidden_dim=1024,
    temperature=1.0,  # for a ResNet
)
dataloader.train.unlabelled.batch_size = 64
dataloader.train.unlabelled.mapper.num_views = 2
train.output_dir = "output/pretraining_moco_v3"
