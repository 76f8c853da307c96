r"""Pretraining without labels: only the loss of lgsd or mean_teacher is trained.

    python tools/train_net.py --config-file configs/lgrnet/study.py method=lgsd+without_labels
    python tools/train_net.py --config-file configs/lgrnet/study.py \
        train.init_weights=output/lgrnet_study_lgsd_without_labels/checkpoints/last.safetensors

The second command starts BASIC with the backbone and the encoder of the first. The decoder is not
trained by pretraining, so it starts from random weights.
"""


def change(cfg):
    """Use no labelled clips, twice as many videos, and the full weight from the first iteration."""
    if "unlabelled" not in cfg.dataloader.train:
        raise ValueError(
            "method=without_labels must follow lgsd or mean_teacher: method=lgsd+without_labels"
        )
    cfg.dataloader.train.batch_size = 0
    cfg.dataloader.train.unlabelled.batch_size = 2
    cfg.dataloader.test = {}
    cfg.model.weight.begin = cfg.model.weight.num_iterations = 0
    cfg.train.find_unused_parameters = True  # those of the decoder
