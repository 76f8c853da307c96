"""Hybrid temporal sampling: frames near the annotated one and far ones, and their times.

Changes how the seven frames of a training clip are chosen, and tells the model when each frame was
taken.
"""

from lgrseg.config import L
from lgrseg.data import HybridSampler


def change(cfg):
    """Needs videos with more frames than a clip has, so not CAMUS's pairs of ED and ES."""
    if "decoder" not in cfg.model:
        raise ValueError("method=hts changes LGRNet: use a config of lgrnet/; name hts first")
    cfg.dataloader.train.mapper.frame_sampler = L(HybridSampler)(num_frames=7)
    cfg.model.time_period = 16
