"""Clips of a bright disc in a fan, and a tiny U-Net that has learnt to find it."""

import functools
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "baselines" / "unet.py"
OVERRIDES = [
    "model.backbone.width=2",
    "model.backbone.num_levels=3",
    "model.head.in_channels=2",
    "dataloader.test.camus_4ch_val.mapper.input_size=[64,64]",
    "train.device=cpu",
]


def disc_clip(num_frames: int, size=(96, 128), *, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W) uint8 of a disc that moves in a fan, and where it is, (T, H, W) bool."""
    height, width = size
    rng = np.random.default_rng(seed)
    fan = np.zeros(size, np.uint8)
    reach = round(0.9 * height)
    cv2.ellipse(fan, (width // 2, 5), (reach, reach), 90, -40, 40, 1, -1)
    frames = rng.integers(30, 90, (num_frames, height, width), dtype=np.uint8) * fan
    discs = np.zeros(frames.shape, np.uint8)
    for t, disc in enumerate(discs):
        centre = (width // 2 + round(height / 20 * np.sin(t)), round(height * 0.55))
        cv2.circle(disc, centre, height // 8, 1, -1)
    frames[discs > 0] = 240
    return frames, discs > 0


@functools.cache
def _learnt() -> dict[str, torch.Tensor]:
    """Weights of the U-Net of CONFIG with OVERRIDES; learnt once in a process of tests."""
    torch.manual_seed(0)
    model = instantiate(load_config(CONFIG, OVERRIDES).model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
    frames, discs = disc_clip(8, (64, 64), seed=1)
    images = torch.from_numpy(frames)[:, None].expand(-1, 3, -1, -1) / 255
    for _ in range(60):
        scores = model.head(model.backbone(model.normalizer(images[None])[0]))
        loss = F.cross_entropy(scores, torch.from_numpy(discs).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.state_dict()


def learnt_weights(file: Path) -> Path:
    """Weights of the U-Net, which calls a disc class 1."""
    save_file(_learnt(), file)
    return file


def learnt_run(folder: Path) -> Path:
    """The folder of a run of the U-Net as a training leaves it, with the last checkpoint alone."""
    (folder / "checkpoints").mkdir()
    save_config(load_config(CONFIG, OVERRIDES), folder / "config.yaml")
    learnt_weights(folder / "checkpoints" / "last.safetensors")
    return folder


def dice(masks: np.ndarray, discs: np.ndarray) -> float:
    """Between class 1 and the discs."""
    return 2 * ((masks == 1) & discs).sum() / ((masks == 1).sum() + discs.sum())
