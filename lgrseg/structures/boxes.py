"""Boxes around objects: (cx, cy, w, h), normalised to the picture, 0 to 1.

Pixels are squares: a mask of columns 2 to 5 has x from 2 / W to 6 / W.
"""

import torch
from torch import Tensor


def boxes_of_masks(masks: Tensor, *, trim: float = 0.0) -> tuple[Tensor, Tensor]:
    """Find the box around each mask.

    Args:
        masks: (..., H, W) bool masks.
        trim: share of a mask that may be outside each side of its box; with a value above 0, a few
            isolated pixels do not enlarge the box.

    Returns:
        (..., 4) float32 boxes, 0 for an empty mask; (...) bool, true for masks that are not empty.
    """
    rows, columns = masks.sum(dim=-1), masks.sum(dim=-2)
    (left, right), (top, bottom) = _ends(columns, trim), _ends(rows, trim)
    boxes = from_corners(torch.stack([left, top, right, bottom], dim=-1))
    present = rows.any(dim=-1)
    return boxes * present[..., None], present


def _ends(counts: Tensor, trim: float) -> tuple[Tensor, Tensor]:
    """Start and end (exclusive) of counts (..., N), as parts of N, cut by `trim` at both ends."""
    length = counts.shape[-1]
    done = counts.cumsum(dim=-1)
    total = done[..., -1:]
    is_inside = ((done > trim * total) & (done - counts < (1 - trim) * total)).to(torch.uint8)
    first = is_inside.argmax(dim=-1)
    last = length - is_inside.flip(-1).argmax(dim=-1)
    return first / length, last / length


def corners(boxes: Tensor) -> Tensor:
    """Convert (..., 4) boxes from (cx, cy, w, h) to (x0, y0, x1, y1)."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def from_corners(boxes: Tensor) -> Tensor:
    """Convert (..., 4) boxes from (x0, y0, x1, y1) to (cx, cy, w, h)."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def box_iou(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of (..., 4) boxes as (cx, cy, w, h), see `corner_iou`."""
    return corner_iou(corners(first), corners(second))


def corner_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes as (x0, y0, x1, y1), with broadcasting.

        GIoU = IoU - (area of the hull - area of the union) / area of the hull

    Source: Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019. Boxes without an
    area have IoU 0.

    Returns:
        IoU (...), 0 to 1; generalised IoU (...), -1 to 1.
    """
    shared = _area(torch.maximum(a, b)[..., :2], torch.minimum(a, b)[..., 2:])
    hull = _area(torch.minimum(a, b)[..., :2], torch.maximum(a, b)[..., 2:])
    union = _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - shared
    tiny = torch.finfo(union.dtype).tiny
    iou = shared / union.clamp(min=tiny)
    return iou, iou - (hull - union) / hull.clamp(min=tiny)


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp(min=0).prod(dim=-1)


def draw_boxes(boxes: Tensor, size: tuple[int, int], *, sharpness: float = 1.0) -> Tensor:
    """Draw boxes as mask logits: the distance in pixels to the nearest edge, positive inside.

    Args:
        boxes: (..., 4) boxes as (cx, cy, w, h).
        size: (h, w) of the map in pixels.
        sharpness: logit per pixel of distance.

    Returns:
        (..., h, w) logits.
    """
    height, width = size
    x0, y0, x1, y1 = (c[..., None] for c in corners(boxes).unbind(dim=-1))
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    across = torch.minimum(x - x0, x1 - x) * width  # ... w
    down = torch.minimum(y - y0, y1 - y) * height  # ... h
    return sharpness * torch.minimum(down[..., None], across[..., None, :])
