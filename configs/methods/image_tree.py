r"""Pretraining on any images and clips: a folder, a URL, a list of them, or shards.

    python tools/train_net.py --config-file configs/pretraining/mae.py method=image_tree \
        dataloader.train.source=path/to/images probe=null

dataloader.train.balance is none, video, organ or organ+video. The probe needs the labelled dataset
of the config, so without it, probe=null. See docs/recipes/pretraining.md.
"""

from lgrseg.config import L
from lgrseg.data import build_image_loader


def change(cfg):
    """Read the frames of dataloader.train.source instead of those of the dataset."""
    unlabelled = cfg.dataloader.train.get("unlabelled")
    if unlabelled is None or cfg.dataloader.train.batch_size:
        raise ValueError("method=image_tree is for training without labels: use pretraining/")
    cfg.dataloader.train = L(build_image_loader)(
        source="",
        mapper=unlabelled.mapper,
        batch_size=unlabelled.batch_size,
        num_workers=cfg.dataloader.train.num_workers,
        balance="none",
    )
