r"""Pretraining without any label: only the unlabelled part of lgsd or mean_teacher is learnt.

    python tools/train_net.py --config-file configs/lgrnet/study.py method=lgsd+without_labels
    python tools/train_net.py --config-file configs/lgrnet/study.py \
        train.init_weights=output/lgrnet_study_lgsd_without_labels/checkpoints/last.safetensors

The second command starts BASIC from the backbone and the encoder of the first; the decoder, which
pretraining does not touch, starts from random weights.
"""


def change(cfg):
    """No labelled clips, twice as many videos, full weight from the first iteration."""
    if "unlabelled" not in cfg.dataloader.train:
        raise ValueError("method=without_labels comes after another: method=lgsd+without_labels")
    cfg.dataloader.train.batch_size = 0
    cfg.dataloader.train.unlabelled.batch_size = 2
    cfg.dataloader.test = {}
    cfg.model.weight.begin = cfg.model.weight.num_iterations = 0
    cfg.train.find_unused_parameters = True  # the decoder's
