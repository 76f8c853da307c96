"""Hybrid temporal sampling: a clip has frames near the annotated one and distant frames.

The seven frames of a training clip are chosen in this way, and the model also receives the time of
each frame.
"""

from lgrseg.config import L
from lgrseg.data import HybridSampler


def change(cfg):
    """Use it with videos longer than a clip, so not with CAMUS's pairs of ED and ES."""
    if "decoder" not in cfg.model:
        raise ValueError("method=hts changes LGRNet: use a config of lgrnet/; name hts first")
    cfg.dataloader.train.mapper.frame_sampler = L(HybridSampler)(num_frames=7)
    cfg.model.time_period = 16
