r"""Enhancement: a network learns from pairs of a poor and a good frame of one scene.

    python tools/train_net.py --config-file configs/generation/enhance.py
    python tools/train_net.py --config-file configs/generation/enhance.py \
        dataloader.train.poor=pairs/train/low dataloader.train.dataset=pairs/train/high \
        dataloader.train.degradations=[] probe.poor=pairs/val/low probe.dataset=pairs/val/high \
        probe.degradations=[]

The first command makes poor frames of phantoms by speckle; the second one reads two folders whose
images have equal names. model.generator.branch may be a pretrained encoder. Expected: see
docs/recipes/generation.md.
"""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import RandomSpeckle, build_paired_loader
from lgrseg.engine.solver import CosineSchedule, build_adamw
from lgrseg.evaluation.paired_images import PairedImages
from lgrseg.modeling.generation.enhancer import Enhancer
from lgrseg.modeling.generation.networks import ResNetGenerator

from ..common.train import train
from ..datasets.phantom_apical import dataloader, evaluator  # noqa: F401

good, good_val = dataloader.train.dataset, next(iter(dataloader.test))
# Its strength is random, down to 0. Twice, so that few frames are almost clean: a network that
# learns from many of those has to change nothing.
degradations = [L(RandomSpeckle)(strength=0.6, prob=1.0) for _ in range(2)]
size = [128, 128]
channels = 1
model = L(Enhancer)(
    generator=L(ResNetGenerator)(channels=channels, width=16, num_blocks=3, branch=None),
    channels=channels,
    similarity_weight=1.0,
)
dataloader = OmegaConf.create(
    {
        "train": L(build_paired_loader)(
            dataset=good,
            poor=None,
            degradations=degradations,
            size=size,
            scale=[0.5, 1.0],
            batch_size=4,
            num_workers=0,
        ),
        "test": {},
    }
)
probe = L(PairedImages)(dataset=good_val, poor=None, degradations=degradations, size=size)
optimizer = L(build_adamw, partial=True)(lr=1e-3, weight_decay=0.0)
schedule = L(CosineSchedule)(max_iter="${train.max_iter}", warmup=20, final=0.01)
train.max_iter = 2000
train.clip_norm = 1.0
train.output_dir = "output/enhance"
