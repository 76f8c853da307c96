"""BASIC + a mean teacher on the phantom's study preset.

python tools/train_net.py --config-file configs/lgrnet/phantom_study_mean_teacher.py
"""

from ..common import unlabelled
from .phantom_study import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.mean_teacher(model, begin=400)
dataloader.train.unlabelled = unlabelled.mean_teacher_views(
    dataloader.train.mapper, datasets=["phantom_study_unlabelled"]
)
train.max_iter = 565  # 8 minutes on one core
train.output_dir = "output/lgrnet/phantom_study_mean_teacher"
