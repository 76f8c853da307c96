r"""BASIC + local-to-global self-distillation on CAMUS: labels of some patients, frames of all.

    python tools/train_net.py --config-file configs/lgrnet/camus_lgsd.py \
        dataloader.train.label_fraction=0.05

A clip has two frames here, so a local view is one of them.
"""

from ..common import unlabelled
from .camus import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.lgsd(model, begin=590)
dataloader.train.unlabelled = unlabelled.lgsd_views(
    dataloader.train.mapper, local_frames=1, local_size=[128, 128]
)
train.output_dir = "output/lgrnet/camus_lgsd"
