"""A BOX-SAM2 run that has learnt, in half a minute, to fill boxes with bright discs."""

from pathlib import Path

import numpy as np
import torch
from bright_disc import ROOT, disc_clip
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.structures import Clip, ClipTargets

CONFIG = ROOT / "configs" / "box_sam2" / "demo.py"
SIZE = 64
OVERRIDES = [
    f"model.sam.size={SIZE}",
    f"dataloader.test.phantom_demo_val.mapper.input_size=[{SIZE},{SIZE}]",
    "train.device=cpu",
]
LABEL, CLASS = 1, "left_atrium"


def box_run(folder: Path, *, steps: int = 50) -> Path:
    """Train a small BOX-SAM2 on discs of class LABEL, and save it as a training does."""
    torch.manual_seed(0)
    cfg = load_config(CONFIG, OVERRIDES)
    model = instantiate(cfg.model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(steps):
        losses = model(*map(list, zip(*(example(step * 4 + n) for n in range(4)), strict=True)))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    (folder / "checkpoints").mkdir(parents=True)
    save_config(cfg, folder / "config.yaml")
    save_file(model.state_dict(), folder / "checkpoints" / "last.safetensors")
    return folder


def example(seed: int) -> tuple[Clip, ClipTargets]:
    """One frame with a disc, and its mask."""
    size = int(np.random.default_rng(seed).integers(SIZE, 2 * SIZE))
    frames, discs = disc_clip(1 + seed % 5, (size, size), seed=seed)
    rows = columns = np.arange(SIZE) * size // SIZE
    frame, disc = (x[-1][rows][:, columns] for x in (frames, discs))
    image = torch.from_numpy(frame)[None, None] / 255
    target = ClipTargets(
        torch.tensor([True]), torch.tensor([LABEL]), torch.from_numpy(disc)[None, None]
    )
    return Clip(image, torch.arange(1), str(seed), seed=seed), target
