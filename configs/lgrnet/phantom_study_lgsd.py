"""BASIC + local-to-global self-distillation on the phantom's study preset.

python tools/train_net.py --config-file configs/lgrnet/phantom_study_lgsd.py
"""

from ..common import unlabelled
from .phantom_study import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.lgsd(model, begin=400)
dataloader.train.unlabelled = unlabelled.lgsd_views(
    dataloader.train.mapper, datasets=["phantom_study_unlabelled"]
)
train.max_iter = 555  # 8 minutes on one core
train.output_dir = "output/lgrnet/phantom_study_lgsd"
