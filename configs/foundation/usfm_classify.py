"""USFM (ViT-B, BEiT-style) fine-tuned to classify images, one folder per class, at 224 px.

    python tools/train_net.py --config-file configs/foundation/usfm_classify.py \
        model.backbone.weights=weights/USFM_latest.pth

Weights: USFM_latest.pth from https://github.com/openmedlab/USFM. Without them training starts from
random weights. Data, and other classes than benign, malignant and normal: see
docs/recipes/foundation.md. Expected: not measured yet.

model.backbone.name may be any encoder. The head is a linear layer on the mean of the patches. For
three layers, set model.head._target_=lgrseg.modeling.heads.classifier.ThreeLayerHead. `best` is the
checkpoint with the highest balanced accuracy. Learning rates decrease from the last block to the
first.
"""

from lgrseg.config import L
from lgrseg.engine.layer_decay import build_adamw_layer_decay
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead

from ..common.train import schedule, train
from ..datasets.class_folders import dataloader, evaluator, num_classes

model = L(ClipClassifier)(
    backbone=L(build_encoder)(name="usfm_base", weights=None, drop_path_rate=0.1),
    head=L(LinearHead, partial=True)(num_classes="${..num_classes}"),
    num_classes=num_classes,
)
optimizer = L(build_adamw_layer_decay, partial=True)(lr=5e-4, layer_decay=0.75, weight_decay=0.05)
schedule.warmup = 200
train.max_iter = 4000
train.eval_period = 200
train.checkpoint_period = 400
train.clip_norm = 1.0
train.output_dir = "output/usfm_classify"
