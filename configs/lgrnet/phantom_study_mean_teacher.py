"""BASIC + a mean teacher on the phantom's study preset.

python tools/train_net.py --config-file configs/lgrnet/phantom_study_mean_teacher.py
"""

from ..common import unlabelled
from .phantom_study import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.mean_teacher(model)
dataloader.train.unlabelled = unlabelled.mean_teacher_views(
    dataloader.train.mapper, datasets=["phantom_study_unlabelled"]
)
train.output_dir = "output/lgrnet/phantom_study_mean_teacher"
