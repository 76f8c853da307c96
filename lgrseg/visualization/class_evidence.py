"""Grad-CAM: where in its frames a classifier finds the evidence for a class.

Selvaraju et al., "Grad-CAM", ICCV 2017, section 3: the channels of the last feature map are added
with weights, which are the gradient of the class's score averaged over the map; negative sums are
set to zero. A vision transformer that reads its class token has no gradient at the last block's
patches, so for it the map is the input of the last block.

Letters: T frames, h w size of the map, C channels, K classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from einops import rearrange
from torch import Tensor, nn

from lgrseg.modeling.foundation.encoder import Encoder
from lgrseg.modeling.foundation.interleaved import InterleavedEncoder
from lgrseg.modeling.foundation.vit import ViTEncoder
from lgrseg.modeling.heads.classifier import ClipClassifier
from lgrseg.structures import Clip


def class_evidence(model: ClipClassifier, clip: Clip, label: int | None = None) -> Tensor:
    """Map of the evidence for a class in every frame of a clip.

    Args:
        model: a classifier in evaluation mode, with an encoder of `lgrseg.modeling.foundation`.
        clip: frames of the size that the model was trained with.
        label: class whose evidence is shown, 0 to K - 1; None for the most probable one.

    Returns:
        (T, h, w) float32 on the CPU, 0 to 1; 1 is the largest value in the clip. All zeros if
        nothing in the clip speaks for the class.

    Raises:
        ValueError: there is no such class, or the encoder is none of those above or an interleaved
            one, which has two last maps.
    """
    if label is not None and not 0 <= label < model.num_classes:
        raise ValueError(f"label={label} is not one of the classes 0 to {model.num_classes - 1}")
    encoder = model.backbone
    if not isinstance(encoder, Encoder) or isinstance(encoder, InterleavedEncoder):
        raise ValueError(
            f"Grad-CAM needs one last feature map, and a {type(encoder).__name__} has none: use a "
            "classifier with one encoder of lgrseg.modeling.foundation"
        )
    with torch.enable_grad(), _last_map(encoder) as kept:
        (prediction,) = model([clip])
        scores = prediction.scores
        score = scores[int(scores.argmax()) if label is None else label]
        (gradient,) = torch.autograd.grad(score, kept)
    features, gradient = (_as_map(t, encoder, clip) for t in (kept[0].detach(), gradient))
    weights = gradient.mean(dim=(-2, -1), keepdim=True)
    evidence = (weights * features).sum(dim=1).relu()
    return (evidence / evidence.max().clamp(min=1e-12)).float().cpu()


@contextmanager
def _last_map(encoder: Encoder) -> Iterator[list[Tensor]]:
    """Keep the map that an encoder's token is made of; the list is filled by the next forward."""
    kept: list[Tensor] = []
    block = encoder.blocks[-1]

    def keep(tensor: Tensor) -> Tensor:
        # A frozen encoder makes maps without gradients, so the graph begins here.
        kept[:] = [tensor if tensor.requires_grad else tensor.requires_grad_()]
        return kept[0]

    def before(module: nn.Module, inputs: tuple) -> tuple:
        return (keep(inputs[0]), *inputs[1:])

    def after(module: nn.Module, inputs: tuple, output):
        return (keep(output[0]), *output[1:]) if isinstance(output, tuple) else keep(output)

    if isinstance(encoder, ViTEncoder) and not encoder.mean_token:
        handle = block.register_forward_pre_hook(before)
    else:
        handle = block.register_forward_hook(after)
    try:
        yield kept
    finally:
        handle.remove()


def _as_map(features: Tensor, encoder: Encoder, clip: Clip) -> Tensor:
    """Bring tokens or maps (T, ...) of any layout to (T, C, h, w) that cover the frames."""
    height, width = clip.frames.shape[-2:]
    stride = encoder.strides[-1]
    rows, columns = -(-height // stride), -(-width // stride)
    if features.ndim == 3:
        tokens = features[:, getattr(encoder, "num_prefix", 0) :]
        features = rearrange(tokens, "t (h w) c -> t c h w", h=rows)
    elif features.shape[-1] == encoder.channels[-1] and features.shape[1] != features.shape[-1]:
        features = rearrange(features, "t h w c -> t c h w")
    return features[..., :rows, :columns]
