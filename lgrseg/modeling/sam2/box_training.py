"""Training of BOX-SAM2: selects frames to prompt, and tracks objects from there.

Letters: N objects, T frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lgrseg.modeling.sam2.box_tracking import BoxTracking
from lgrseg.modeling.sam2.mask_candidates import TrackLosses
from lgrseg.modeling.sam2.predicted_boxes import Boxes
from lgrseg.modeling.sam2.records import Embedding
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures.boxes import corners, from_corners


def draw_starts(
    present: Tensor, annotated_frames: list[int], generator: torch.Generator
) -> dict[int, int]:
    """Draw the annotated frame on which each object is prompted; none for absent objects.

    One frame is drawn for the clip. For objects that it does not show, another frame is drawn.

    Args:
        present: (N, T) bool, true on frames that show the object.
        annotated_frames: indices of the annotated frames.
        generator: random generator of the clip.
    """

    def draw(shown: Tensor) -> int | None:
        frames = [t for t in annotated_frames if shown[t]]
        if not frames:
            return None
        position = torch.randint(len(frames), (), generator=generator, device=generator.device)
        return frames[int(position)]

    starts: dict[int, int] = {}
    shared = draw(present.any(dim=0))
    for n, shown in enumerate(present):
        start = shared if shared is None or shown[shared] else draw(shown)
        if start is not None:
            starts[n] = start
    return starts


def jittered(box: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Move the corner coordinates of a box (4,) randomly by up to this share of its size."""
    offsets = torch.rand(4, generator=generator, device=generator.device) * 2 - 1
    return from_corners(corners(box) + share * offsets.to(box) * box[2:].repeat(2))


def follow_both_ways(
    tracker: Sam2Tracker,
    frames: Sequence[Embedding],
    boxes: Boxes,
    starts: dict[int, int],
    losses: TrackLosses,
    annotated_frames: list[int],
) -> None:
    """Track objects from their boxes to both ends, and compare them on every annotated frame.

    Args:
        tracker: SAM 2 tracker.
        frames: T encoded frames.
        boxes: box of each prompted object.
        starts: frame of each box.
        losses: accumulator of the losses.
        annotated_frames: indices of the annotated frames.
    """
    for way in (1, -1):
        tracking = BoxTracking(tracker, losses.num_objects)
        for t in range(len(frames))[::way]:
            prompts = {n: box for n, box in boxes.items() if starts[n] == t}
            if not prompts and not tracking.objects:
                continue
            masks = tracking.step(frames[t], t, prompts)
            # On the frame of its prompt an object is compared only in the first direction.
            objects = [n for n in sorted(tracking.objects) if way == 1 or n not in prompts]
            if objects and t in annotated_frames:
                losses.compare(masks, t, objects)
