"""Clips with a disc, and clips without any structure, for tests of models."""

import torch

from lgrseg.structures import Clip, ClipTargets


def disc_clip(num_frames, *, size=64, annotated=None, radius=16):
    """A clip whose frames show a disc of class 0 on black, and its targets."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    is_disc = (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < radius**2
    frames = 0.2 + 0.6 * is_disc.float().expand(num_frames, 1, size, size)
    shown = torch.ones(num_frames, dtype=torch.bool)
    if annotated is not None:
        shown[:] = False
        shown[annotated] = True
    masks = (is_disc & shown[:, None, None])[None]
    clip = Clip(frames, torch.arange(num_frames), "disc", seed=3)
    return clip, ClipTargets(shown, torch.tensor([0]), masks)


def empty_clip(num_frames, *, size=64):
    """A black clip, annotated, without any structure."""
    masks = torch.zeros(0, num_frames, size, size, dtype=torch.bool)
    shown = torch.ones(num_frames, dtype=torch.bool)
    clip = Clip(torch.zeros(num_frames, 1, size, size), torch.arange(num_frames), "black", seed=4)
    return clip, ClipTargets(shown, torch.zeros(0, dtype=torch.int64), masks)


def share_clip(radius, *, num_classes=1):
    """A disc of class 0 as class shares, and its targets."""
    _, targets = disc_clip(1, radius=radius)
    shares = torch.zeros(1, num_classes + 1, 64, 64)
    shares[:, 1] = targets.masks[0].float()
    shares[:, 0] = 1 - shares[:, 1]
    return Clip(shares, torch.arange(1), "disc"), targets


def learn_discs(tokenizer):
    """Train a mask tokenizer on discs for some seconds, and freeze it."""
    tokenizer.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=3e-3)
    for step in range(300):
        optimizer.zero_grad()
        radii = [8 + (5 * step + number) % 17 for number in range(4)]
        batch = [share_clip(radius, num_classes=tokenizer.num_classes) for radius in radii]
        clips, targets = zip(*batch, strict=True)
        sum(tokenizer(list(clips), list(targets)).values()).backward()
        optimizer.step()
    return tokenizer.requires_grad_(False).eval()
