r"""EMP-SSL, the method of VFM4US: many crops of a frame are pulled to their mean; without labels.

    python tools/train_net.py --config-file configs/pretraining/emp_ssl.py dataset=camus
    python tools/export_encoder.py --run output/pretraining_emp_ssl_camus \
        --output weights/resnet.pth

A second stage on other frames starts from the exported file, whose hash is written to run.json:

    python tools/train_net.py --config-file configs/pretraining/emp_ssl.py dataset=camus \
        model.backbone.weights=weights/resnet.pth train.output_dir=output/fine

The frames are those of usfm.py. EMP-SSL has 20 to 200 crops, a projector of 4096 and 1024 channels,
and LARS; here are 8 crops, a smaller projector, and AdamW, for a CPU. The weight of the similarity
is as large as the coding rate of 16 images can be, 8 log(1 + 256 / (16 * 0.2)). Expected: see
docs/recipes/pretraining.md.
"""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import (
    RandomBlur,
    RandomContrast,
    RandomFlip,
    RandomFrameMapper,
    RandomGamma,
    Unlabelled,
    unlabelled_parts,
)
from lgrseg.engine.solver import CosineSchedule, build_adamw
from lgrseg.evaluation.probing import PatchProbe
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.many_crops import ManyCropsModel

from ..common.train import train
from ..datasets.camus import dataloader, evaluator, num_classes  # noqa: F401

model = L(ManyCropsModel)(
    backbone=L(build_encoder)(name="vfm4us_resnet18", weights=None),
    hidden_dim=1024,
    dim=256,
    similarity_weight=35.0,  # as large as the rate can be; EMP-SSL has 200 for batches of 100
)
dataloader.train.batch_size = 0  # no labelled clips
dataloader.train.unlabelled = L(Unlabelled)(
    datasets=unlabelled_parts(dataloader.train.dataset),
    batch_size=16,
    mapper=L(RandomFrameMapper)(
        size=[112, 112],
        scale=[0.2, 0.5],
        num_views=8,
        augmentations=[
            L(RandomFlip)(horizontal=0.5),
            L(RandomGamma)(),
            L(RandomContrast)(),
            L(RandomBlur)(),
        ],
    ),
)
probe = L(PatchProbe)(
    train=dataloader.train.dataset, test=next(iter(dataloader.test)), size=[64, 64]
)
dataloader.test = OmegaConf.create({})
optimizer = L(build_adamw, partial=True)(
    lr=1e-3, backbone_lr_factor=1.0, weight_decay=1e-4, betas=[0.9, 0.999]
)
schedule = L(CosineSchedule)(max_iter="${train.max_iter}", warmup=50, final=0.01)
train.max_iter = 2000
train.clip_norm = None
train.output_dir = "output/pretraining_emp_ssl"
