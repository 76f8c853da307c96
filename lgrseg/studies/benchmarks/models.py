"""Models of the benchmarks: BASIC with the widths of the public LGRNet, and Mask2Former.

Memory is measured in a separate process that builds the model again, so everything is a function of
plain arguments. Weights are random, because they do not change the time.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from lgrseg.config import instantiate, load_config
from lgrseg.layers import speed
from lgrseg.structures import Clip, ClipTargets

CONFIG = Path("configs/lgrnet/public_release.py")
NUM_OBJECTS = 3


def basic(
    frames: int, size: int, device: str, *, amp: bool = False, clips: int = 1, train: bool = False,
    recompute: bool = False, compiled: bool = False,
) -> Callable[[], object]:  # fmt: skip
    """Make a function for one forward pass or training step of BASIC (PVTv2-b2, public widths)."""
    torch.manual_seed(0)
    cfg = load_config(CONFIG, [f"model.decoder.num_classes={NUM_OBJECTS}"])
    model = speed.channels_last(instantiate(cfg.model).to(device))
    _settle(device)
    if recompute:
        speed.recompute_activations(model)
    if compiled:
        speed.compile_parts(model)
    batch = [_clip(frames, size, device, number) for number in range(clips)]
    images, targets = (list(part) for part in zip(*batch, strict=True))

    def losses() -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            return sum(model(images, targets).values())

    def masks():
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=amp):
            return model(images)

    return _step(model, losses) if train else _predict(model, masks)


def mask2former(
    images: int, size: int, device: str, *, amp: bool = False, train: bool = False
) -> Callable[[], object]:
    """Make the same function for transformers' Mask2Former with a Swin-T backbone."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    torch.manual_seed(0)
    backbone = SwinConfig(
        embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24], window_size=7,
        drop_path_rate=0.3,
    )  # fmt: skip
    backbone.out_features = ["stage1", "stage2", "stage3", "stage4"]
    config = Mask2FormerConfig(backbone_config=backbone)
    config.num_labels = NUM_OBJECTS
    model: nn.Module = Mask2FormerForUniversalSegmentation(config)
    model = model.to(device)
    _settle(device)
    pixels = torch.rand(images, 3, size, size, device=device)
    masks = _masks(images, size).movedim(1, 0).float().to(device)
    labels = torch.arange(NUM_OBJECTS, device=device)
    labels_and_masks = {"mask_labels": list(masks), "class_labels": [labels] * images}

    def losses() -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=amp):
            return model(pixels, **labels_and_masks).loss

    def predict():
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=amp):
            return model(pixels).masks_queries_logits

    return _step(model, losses) if train else _predict(model, predict)


def _settle(device: str) -> None:
    if device == "cpu":
        speed.hold_on_to_memory()  # for the whole process, so also for peers


def _clip(frames: int, size: int, device: str, number: int) -> tuple[Clip, ClipTargets]:
    clip = Clip(torch.rand(frames, 3, size, size), torch.arange(frames), f"{number}", seed=number)
    annotated = torch.ones(frames, dtype=torch.bool)
    targets = ClipTargets(annotated, torch.arange(NUM_OBJECTS), _masks(frames, size))
    return clip.to(device), targets.to(device)


def _masks(frames: int, size: int) -> Tensor:
    """Masks with three rectangles on every frame: (N, T, H, W) bool."""
    masks = torch.zeros(NUM_OBJECTS, frames, size, size, dtype=torch.bool)
    for number in range(NUM_OBJECTS):
        top = size * (1 + 2 * number) // 8
        masks[number, :, top : top + size // 5, size // 5 : size // 2] = True
    return masks


def _predict(model: nn.Module, predict: Callable[[], object]) -> Callable[[], object]:
    model.eval()
    return predict


def _step(model: nn.Module, losses: Callable[[], Tensor]) -> Callable[[], object]:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = losses()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01, foreach=True)
        optimizer.step()
        return loss

    return step
