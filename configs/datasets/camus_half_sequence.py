"""CAMUS, half sequences from end-diastole to end-systole; every frame has a mask.

Needs the full release of CAMUS. A training clip is 7 consecutive frames; at test, the whole half
sequence is one clip.
"""

from lgrseg.config import L
from lgrseg.data import DenseSampler

from .camus import dataloader, evaluator, num_classes

dataloader.train.dataset = "camus_half_sequence_train"
dataloader.train.mapper.frame_sampler = L(DenseSampler)(num_frames=7)
_val = dataloader.test.camus_4ch_val
_val.dataset = "camus_half_sequence_val"
dataloader.test = {"camus_half_sequence_val": _val}
evaluator.protocol = "every frame of half sequences as one clip, native resolution"
