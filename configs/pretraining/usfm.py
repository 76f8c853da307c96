"""Masked image modelling in the style of USFM, on frames without labels, at 224 px.

    python tools/train_net.py --config-file configs/pretraining/usfm.py dataset=camus
    python tools/export_encoder.py --run output/pretraining_usfm_camus --output weights/camus.pth

Labels are not used, and nothing is evaluated. The frames are those of all training videos, and of
NAME_unlabelled if the dataset has such a part; never those of validation or test videos.

model.spatial_share=1 hides only blocks of pixels, 0 only bands of frequencies; with 0.5 a coin
decides for each image. model.backbone.name is usfm_tiny, usfm_small, usfm_base or another encoder,
such as efficientnet_lite0. USFM's own loss is unpublished: see docs/recipes/pretraining.md.
Measured in docs/results.md with EfficientNet-Lite0: hidden blocks help, frequencies do not.
"""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import RandomFlip, RandomFrameMapper, Unlabelled, unlabelled_parts
from lgrseg.engine.solver import CosineSchedule, build_adamw
from lgrseg.evaluation.probing import PatchProbe
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.masked_modelling import MaskedModel
from lgrseg.modeling.pretraining.masking import FrequencyMasking, SpatialMasking

from ..common.train import train
from ..datasets.camus import dataloader, evaluator, num_classes  # noqa: F401

model = L(MaskedModel)(
    backbone=L(build_encoder)(name="usfm_tiny", weights=None),
    spatial=L(SpatialMasking)(block=32, ratio=0.6),
    frequency=L(FrequencyMasking)(ratio=0.5),
    spatial_share=0.5,
)
dataloader.train.batch_size = 0  # no labelled clips
dataloader.train.unlabelled = L(Unlabelled)(
    datasets=unlabelled_parts(dataloader.train.dataset),
    batch_size=16,
    mapper=L(RandomFrameMapper)(
        size=[224, 224], scale=[0.67, 1.0], augmentations=[L(RandomFlip)(horizontal=0.5)]
    ),
)
probe = L(PatchProbe)(
    train=dataloader.train.dataset, test=next(iter(dataloader.test)), size=[224, 224]
)
dataloader.test = OmegaConf.create({})
optimizer = L(build_adamw, partial=True)(
    lr=5e-4, backbone_lr_factor=1.0, weight_decay=0.05, betas=[0.9, 0.999]
)
schedule = L(CosineSchedule)(max_iter="${train.max_iter}", warmup=100, final=0.01)
train.max_iter = 4000
train.clip_norm = 5.0
train.output_dir = "output/pretraining_usfm"
