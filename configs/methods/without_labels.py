r"""Pretraining without labels: only the loss of lgsd or mean_teacher is trained.

    python tools/train_net.py --config-file configs/lgrnet/study.py method=lgsd+without_labels
    python tools/train_net.py --config-file configs/lgrnet/study.py \
        train.init_weights=output/lgrnet_study_lgsd_without_labels/checkpoints/last.safetensors

The second command starts BASIC with the backbone and the encoder of the first. The decoder is not
trained by pretraining, so it starts from random weights. The learning rate is a tenth of that of
the labels: with all of it, LGSD's outputs on CAMUS became more and more alike (docs/results.md).
"""

from lgrseg.config import L
from lgrseg.engine.solver import CosineSchedule


def change(cfg):
    """Use no labelled clips, and the full weight and a constant, low rate from the first step."""
    if "unlabelled" not in cfg.dataloader.train:
        raise ValueError(
            "method=without_labels must follow lgsd or mean_teacher: method=lgsd+without_labels"
        )
    cfg.dataloader.train.batch_size = 0
    cfg.dataloader.train.unlabelled.batch_size = max(2, cfg.dataloader.train.unlabelled.batch_size)
    cfg.dataloader.test = {}
    cfg.model.weight.begin = cfg.model.weight.num_iterations = 0
    cfg.optimizer.lr = 0.1 * cfg.optimizer.lr
    cfg.schedule = L(CosineSchedule)(
        max_iter="${train.max_iter}", warmup=cfg.schedule.warmup, final=1.0
    )
    cfg.train.find_unused_parameters = True  # those of the decoder
