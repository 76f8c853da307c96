"""Boxes around objects: (cx, cy, w, h), normalised to the picture, 0 to 1.

Pixels are squares: a mask of columns 2 to 5 has x from 2 / W to 6 / W.
"""

import torch
from torch import Tensor


def boxes_of_masks(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The box around each mask.

    Args:
        masks: (..., H, W) bool.

    Returns:
        (..., 4) float32, 0 where a mask is empty; (...) bool, whether it is not.
    """
    rows, columns = masks.any(dim=-1), masks.any(dim=-2)
    ends = [_ends(line) for line in (columns, rows)]
    (left, right), (top, bottom) = ends
    boxes = torch.stack(
        [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], dim=-1
    )
    present = rows.any(dim=-1)
    return boxes * present[..., None], present


def _ends(line: Tensor) -> tuple[Tensor, Tensor]:
    """First and last true place of (..., N) bool, as parts of N; the end is exclusive."""
    length = line.shape[-1]
    numbers = line.to(torch.uint8)
    first = numbers.argmax(dim=-1)
    last = length - numbers.flip(-1).argmax(dim=-1)
    return first / length, last / length


def corners(boxes: Tensor) -> Tensor:
    """(..., 4) as (cx, cy, w, h) -> (x0, y0, x1, y1)."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def box_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and its generalised form, of boxes (..., 4) that broadcast.

        GIoU = IoU - (area of the hull - area of the union) / area of the hull

    Source: Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019. Boxes without an
    area have IoU 0.

    Returns:
        (...), 0 to 1; (...), -1 to 1.
    """
    a, b = corners(first), corners(second)
    shared = (torch.minimum(a, b)[..., 2:] - torch.maximum(a, b)[..., :2]).clamp(min=0).prod(-1)
    hull = (torch.maximum(a, b)[..., 2:] - torch.minimum(a, b)[..., :2]).clamp(min=0).prod(-1)
    union = first[..., 2:].clamp(min=0).prod(-1) + second[..., 2:].clamp(min=0).prod(-1) - shared
    tiny = torch.finfo(union.dtype).tiny
    iou = shared / union.clamp(min=tiny)
    return iou, iou - (hull - union) / hull.clamp(min=tiny)


def draw_boxes(boxes: Tensor, size: tuple[int, int], *, sharpness: float = 1.0) -> Tensor:
    """Boxes as mask logits: the distance in pixels to the nearest edge, positive inside.

    Args:
        boxes: (..., 4).
        size: (h, w) of the map.
        sharpness: logit of a pixel's distance.

    Returns:
        (..., h, w).
    """
    height, width = size
    x0, y0, x1, y1 = (c[..., None] for c in corners(boxes).unbind(dim=-1))
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    across = torch.minimum(x - x0, x1 - x) * width  # ... w
    down = torch.minimum(y - y0, y1 - y) * height  # ... h
    return sharpness * torch.minimum(down[..., None], across[..., None, :])
