"""BASIC + HTS + local-to-global self-distillation on CAMUS's half sequences.

    python tools/train_net.py --config-file configs/lgrnet/camus_hts_lgsd.py

Needs the full release, which has the half sequences. Not measured yet.
"""

from ..common import unlabelled
from .camus_hts import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.lgsd(model, begin=1350)
dataloader.train.unlabelled = unlabelled.lgsd_views(dataloader.train.mapper, local_size=[128, 128])
train.output_dir = "output/lgrnet/camus_hts_lgsd"
