"""USFM (ViT-B, BEiT-style) fine-tuned with UPerNet on a folder of images and masks, at 224 px.

    python tools/train_net.py --config-file configs/foundation/usfm_upernet.py \
        model.backbone.encoder.weights=weights/USFM_latest.pth

Weights: USFM_latest.pth from https://github.com/openmedlab/USFM. Without them training starts from
random weights. Data: tools/prepare_dataset.py image_folders. Expected: not measured yet.

The feature maps of four blocks become a pyramid, as in BEiT with UPerNet (Bao et al., ICLR 2022,
appendix on semantic segmentation). Learning rates decrease from the last block to the first.
model.backbone.encoder.name may be any encoder.
"""

from lgrseg.config import L
from lgrseg.engine.layer_decay import build_adamw_layer_decay
from lgrseg.modeling.foundation import FoundationBackbone, build_encoder, pyramid_of
from lgrseg.modeling.heads import UPerNet
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from ..common.train import schedule, train
from ..datasets.image_folders import dataloader, evaluator, num_classes

model = L(PerPixelSegmenter)(
    backbone=L(FoundationBackbone)(
        encoder=L(build_encoder)(
            name="usfm_base", weights=None, maps_at=[0.33, 0.5, 0.67, 1.0], drop_path_rate=0.1
        ),
        neck=L(pyramid_of, partial=True)(dim=256),
    ),
    head=L(UPerNet, partial=True)(num_classes="${..num_classes}", dim=256),
    num_classes=num_classes,
)
for _loader in (dataloader.train, *dataloader.test.values()):
    _loader.mapper.input_size = [224, 224]
optimizer = L(build_adamw_layer_decay, partial=True)(lr=3e-4, layer_decay=0.75, weight_decay=0.05)
schedule.warmup = 200
train.max_iter = 4000
train.eval_period = 200
train.checkpoint_period = 400
train.example_overlays = 4
train.clip_norm = 1.0
train.output_dir = "output/usfm_upernet"
