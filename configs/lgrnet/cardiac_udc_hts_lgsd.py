"""BASIC + HTS + local-to-global self-distillation on CardiacUDC, with its unlabelled videos.

python tools/train_net.py --config-file configs/lgrnet/cardiac_udc_hts_lgsd.py

Not measured yet.
"""

from ..common import unlabelled
from .cardiac_udc_hts import dataloader, evaluator, model, optimizer, schedule, train

model = unlabelled.lgsd(model, begin=6000)
dataloader.train.unlabelled = unlabelled.lgsd_views(
    dataloader.train.mapper,
    datasets=["cardiac_udc_unlabelled"],
    local_size=[128, 128],
    batch_size=2,
)
train.output_dir = "output/lgrnet/cardiac_udc_hts_lgsd"
