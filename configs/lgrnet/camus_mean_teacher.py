r"""BASIC + a mean teacher on CAMUS: labels of some patients, frames of all.

python tools/train_net.py --config-file configs/lgrnet/camus_mean_teacher.py \
        dataloader.train.label_fraction=0.05
"""

from ..common import unlabelled
from .camus import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.mean_teacher(model, begin=590)
dataloader.train.unlabelled = unlabelled.mean_teacher_views(dataloader.train.mapper)
train.output_dir = "output/lgrnet/camus_mean_teacher"
