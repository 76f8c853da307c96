"""How BOX-SAM2 is trained: where objects are prompted, and how they are followed from there.

Letters: N objects, T frames.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lgrseg.modeling.sam2.box_tracking import Boxes, BoxTracking
from lgrseg.modeling.sam2.mask_candidates import TrackLosses
from lgrseg.modeling.sam2.records import Embedding
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures.boxes import corners, from_corners


def draw_starts(
    present: Tensor, annotated_frames: list[int], generator: torch.Generator
) -> dict[int, int]:
    """The annotated frame that each object is prompted on; none for objects that are on none.

    One frame is drawn for the clip; objects that it does not show are given one of their own.

    Args:
        present: (N, T) bool, the frames on which an object is.
        annotated_frames: frames whose truth is known.
        generator: of the clip.
    """

    def draw(shown: Tensor) -> int | None:
        frames = [t for t in annotated_frames if shown[t]]
        if not frames:
            return None
        place = torch.randint(len(frames), (), generator=generator, device=generator.device)
        return frames[int(place)]

    starts: dict[int, int] = {}
    shared = draw(present.any(dim=0))
    for n, shown in enumerate(present):
        start = shared if shared is None or shown[shared] else draw(shown)
        if start is not None:
            starts[n] = start
    return starts


def jittered(box: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A box (4,) whose corner coordinates are moved by up to this share of its size."""
    drawn = torch.rand(4, generator=generator, device=generator.device) * 2 - 1
    return from_corners(corners(box) + share * drawn.to(box) * box[2:].repeat(2))


def follow_both_ways(
    tracker: Sam2Tracker,
    frames: Sequence[Embedding],
    boxes: Boxes,
    starts: dict[int, int],
    losses: TrackLosses,
    annotated_frames: list[int],
) -> None:
    """Follow objects from their boxes to both ends; each is compared once on every annotated frame.

    Args:
        tracker: SAM 2.
        frames: T encoded frames.
        boxes: box of each object that is prompted.
        starts: frame of that box.
        losses: what takes the comparisons.
        annotated_frames: frames whose truth is known.
    """
    for way in (1, -1):
        tracking = BoxTracking(tracker, losses.num_objects)
        for t in range(len(frames))[::way]:
            prompts = {n: box for n, box in boxes.items() if starts[n] == t}
            if not prompts and not tracking.objects:
                continue
            masks = tracking.step(frames[t], t, prompts)
            # On the frame of its prompt an object is compared in the first direction alone.
            objects = [n for n in sorted(tracking.objects) if way == 1 or n not in prompts]
            if objects and t in annotated_frames:
                losses.compare(masks, t, objects)
