"""BASIC + local-to-global self-distillation on the phantom's study preset.

python tools/train_net.py --config-file configs/lgrnet/phantom_study_lgsd.py
"""

from ..common import unlabelled
from .phantom_study import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.lgsd(model)
dataloader.train.unlabelled = unlabelled.lgsd_views(
    dataloader.train.mapper, datasets=["phantom_study_unlabelled"]
)
train.output_dir = "output/lgrnet/phantom_study_lgsd"
