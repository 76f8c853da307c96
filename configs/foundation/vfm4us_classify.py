r"""VFM4US' ResNet-18 fine-tuned to classify images, one folder per class, at 224 px.

    python tools/train_net.py --config-file configs/foundation/vfm4us_classify.py \
        model.backbone.weights=weights/resnet.pth

Weights: a published ResNet-18 of VFM4US, or one of configs/pretraining (tools/export_encoder.py).
Without them training starts from random weights. The head has three layers, as VFM4US' README says;
rate and decay are those of its public classification code. model.backbone.name may be any encoder.
Data and other classes: see docs/recipes/foundation.md. Not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.heads.classifier import ClipClassifier, ThreeLayerHead

from ..common.train import optimizer, schedule, train
from ..datasets.class_folders import dataloader, evaluator, num_classes

model = L(ClipClassifier)(
    backbone=L(build_encoder)(name="vfm4us_resnet18", weights=None),
    head=L(ThreeLayerHead, partial=True)(num_classes="${..num_classes}"),
    num_classes=num_classes,
)
optimizer.lr = 1e-4
optimizer.weight_decay = 5e-3
train.max_iter = 4000
train.eval_period = 200
train.checkpoint_period = 400
train.clip_norm = 1.0
train.output_dir = "output/vfm4us_classify"
