"""BASIC + a mean teacher on CardiacUDC, with its unlabelled videos.

python tools/train_net.py --config-file configs/lgrnet/cardiac_udc_mean_teacher.py

Not measured yet.
"""

from ..common import unlabelled
from .cardiac_udc import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.mean_teacher(model, begin=6000)
dataloader.train.unlabelled = unlabelled.mean_teacher_views(
    dataloader.train.mapper, datasets=["cardiac_udc_unlabelled"], batch_size=2
)
train.output_dir = "output/lgrnet/cardiac_udc_mean_teacher"
