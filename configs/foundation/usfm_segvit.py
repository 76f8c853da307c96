"""USFM with SegViT's attention-to-mask head instead of UPerNet; otherwise as usfm_upernet.py.

    python tools/train_net.py --config-file configs/foundation/usfm_segvit.py \
        model.backbone.encoder.weights=weights/USFM_latest.pth

Weights: USFM_latest.pth from https://github.com/openmedlab/USFM. Without them training starts from
random weights. Expected: not measured yet.

The feature maps of three blocks are only resized, without trained weights: to strides 8, 16 and 32,
the deepest block to 32. The paper (arXiv 2210.05844) keeps all of them at stride 16.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import ResampledLevels
from lgrseg.modeling.heads import SegViT

from .usfm_upernet import dataloader, evaluator, model, optimizer, schedule, train

model.backbone.neck = L(ResampledLevels, partial=True)(levels={"res3": 8, "res4": 16, "res5": 32})
model.head = L(SegViT, partial=True)(num_classes="${..num_classes}", dim=256)
train.output_dir = "output/usfm_segvit"
