"""BASIC + hybrid temporal sampling on CAMUS's half sequences, of which every frame has a mask.

    python tools/train_net.py --config-file configs/lgrnet/camus_hts.py

Needs the full release, which has the half sequences. Not measured yet. ED and ES alone, as in
camus.py, leave nothing to sample.
"""

from lgrseg.config import L
from lgrseg.data import HybridSampler

from .camus import dataloader, evaluator, model, optimizer, schedule, train

dataloader.train.dataset = "camus_half_sequence_train"
dataloader.train.mapper.frame_sampler = L(HybridSampler)(num_frames=7)
test = dataloader.test.camus_4ch_val
test.dataset = "camus_half_sequence_val"
dataloader.test = {"camus_half_sequence_val": test}
evaluator.protocol = "every frame of half sequences as one clip, native resolution"
model.time_period = 16
train.output_dir = "output/lgrnet/camus_hts"
