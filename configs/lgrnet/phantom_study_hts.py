"""BASIC + hybrid temporal sampling on the phantom's study preset.

    python tools/train_net.py --config-file configs/lgrnet/phantom_study_hts.py

Differs from phantom_study.py in how the seven frames of a training clip are chosen, and in that the
model is told when they were taken.
"""

from lgrseg.config import L
from lgrseg.data import HybridSampler

from .phantom_study import dataloader, evaluator, model, optimizer, schedule, train

dataloader.train.mapper.frame_sampler = L(HybridSampler)(num_frames=7)
model.time_period = 16
train.output_dir = "output/lgrnet/phantom_study_hts"
