"""BASIC + hybrid temporal sampling on CardiacUDC.

    python tools/train_net.py --config-file configs/lgrnet/cardiac_udc_hts.py

Differs from cardiac_udc.py in how the seven frames of a training clip are chosen, and in that the
model is told when they were taken. Not measured yet.
"""

from lgrseg.config import L
from lgrseg.data import HybridSampler

from .cardiac_udc import dataloader, evaluator, model, optimizer, schedule, train

dataloader.train.mapper.frame_sampler = L(HybridSampler)(num_frames=7)
model.time_period = 16
train.output_dir = "output/lgrnet/cardiac_udc_hts"
