"""AR-SEG: the share of wrong input tokens falls linearly to zero during the training.

model.teacher.corruption.start=S and model.teacher.corruption.end=E change its limits.
"""

from lgrseg.config import L
from lgrseg.modeling.semi_supervised.schedules import LinearRamp


def change(cfg):
    """Begin with twice the constant share, so that the mean over the training is equal."""
    if "teacher" not in cfg.model:
        raise ValueError("method=annealed_corruption changes AR-SEG: use a config of ar_seg/")
    share = cfg.model.teacher.get("corruption", 0.3)
    cfg.model.teacher.corruption = L(LinearRamp)(
        start=2 * share, end=0.0, num_iterations="${train.max_iter}"
    )
