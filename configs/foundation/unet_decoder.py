r"""The decoder of a U-Net on any encoder, frame by frame, all of it trained.

    python tools/train_net.py --config-file configs/foundation/unet_decoder.py \
        model.backbone.encoder.name=mae_tiny model.backbone.encoder.weights=weights/mae.pth

The default is a ResNet-18 from random weights. Data, losses, optimiser and schedule are those of
baselines/pvt_fpn.py. Not measured yet.
"""

from lgrseg.config import L
from lgrseg.modeling.foundation import FoundationBackbone, build_encoder, pyramid_of
from lgrseg.modeling.heads import UNetDecoder
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

from ..baselines.pvt_fpn import dataloader, evaluator, num_classes, optimizer, schedule, train

model = L(PerPixelSegmenter)(
    backbone=L(FoundationBackbone)(
        encoder=L(build_encoder)(name="vfm4us_resnet18", weights=None),
        neck=L(pyramid_of, partial=True)(dim=256),
    ),
    head=L(UNetDecoder, partial=True)(num_classes="${..num_classes}", dims=[256, 128, 64]),
    num_classes=num_classes,
)
train.output_dir = "output/unet_decoder"
