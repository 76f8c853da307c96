"""Loaders in processes that are started anew, as on macOS and Windows."""

import pickle

import torch

from lgrseg.config import instantiate


def test_a_loader_can_be_sent_to_a_spawned_process(lgsd_cfg):
    loader = instantiate(lgsd_cfg.dataloader.train, seed=0)
    clips, copied = (next(iter(own))[0] for own in (loader, pickle.loads(pickle.dumps(loader))))
    for clip, copy in zip(clips, copied, strict=True):
        assert torch.equal(clip.frames, copy.frames)
