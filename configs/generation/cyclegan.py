r"""CycleGAN: phantoms in the style of real scans, learned without pairs and without labels.

    python tools/train_net.py --config-file configs/generation/cyclegan.py
    python tools/translate_dataset.py --run output/cyclegan --dataset phantom_apical_train \
        --output datasets/translated

Style A is the frames of dataloader.train.dataset, style B those of dataloader.train.other; each is
the name of a dataset or a folder of images. Labels are not read. dataloader.train.size and
model.image_size are one size. The paper has 64 channels, and 200 epochs; here are 32, and about 7
epochs. model.to_b.branch and model.to_a.branch may be pretrained encoders. The folder `pictures` of
the run has translated frames. docs/recipes/generation.md has a smaller run that was measured.
"""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import build_unpaired_loader
from lgrseg.engine.solver import LinearSchedule, build_adamw
from lgrseg.modeling.generation.cycle_gan import CycleGAN
from lgrseg.modeling.generation.networks import PatchJudge, ResNetGenerator

from ..common.train import train
from ..datasets.phantom_apical import evaluator  # noqa: F401

channels = 1
model = L(CycleGAN)(
    to_b=L(ResNetGenerator)(channels=channels, width=32, num_blocks=6, branch=None),
    to_a=L(ResNetGenerator)(channels=channels, width=32, num_blocks=6, branch=None),
    judge_a=L(PatchJudge)(channels=channels, width=32, num_strides=3),
    judge_b=L(PatchJudge)(channels=channels, width=32, num_strides=3),
    image_size=[128, 128],
    channels=channels,
    cycle_weight=10.0,
    identity_weight=5.0,
    pool_size=50,
)
dataloader = OmegaConf.create(
    {
        "train": L(build_unpaired_loader)(
            dataset="phantom_apical_train",
            other="camus_4ch_train",
            size="${model.image_size}",
            scale=[0.8, 1.0],
            batch_size=1,
            num_workers=0,
        ),
        "test": {},
    }
)
optimizer = L(build_adamw, partial=True)(
    lr=2e-4,
    weight_decay=0.0,
    betas=[0.5, 0.999],
    lr_factors={"judge_a": 1.0, "judge_b": 1.0},
)
schedule = L(LinearSchedule)(max_iter="${train.max_iter}", constant=0.5)
train.max_iter = 20000
train.clip_norm = None
train.output_dir = "output/cyclegan"
