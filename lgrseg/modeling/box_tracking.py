"""Objects from boxes through a video of any length: one a class, in both directions of time.

Letters: K classes, T frames, s side of the masks, a quarter of the input's.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from lgrseg.boxes import box_iou, boxes_of_masks, corners
from lgrseg.modeling.sam2_tracker import (
    NO_OBJECT,
    Embedding,
    FrameMasks,
    Memory,
    ObjectMemory,
    Sam2Tracker,
)

STRAY = 0.02
"""Share of a followed mask beyond each side of what counts as its box."""

Boxes = dict[int, Tensor]
"""Class -> (4,) as (cx, cy, w, h), parts of the frame, on one frame."""


def choose_prompts(
    boxes: Tensor, scores: Tensor, *, every: int, least_score: float
) -> tuple[dict[int, Boxes], list[Boxes]]:
    """Which predicted boxes to prompt with.

    Args:
        boxes: (K, T, 4).
        scores: (K, T).
        every: frames between prompts; 0 for the surest frame of each class alone.
        least_score: of a box that is used.

    Returns:
        Frame -> boxes to prompt with; of every frame the boxes that are sure enough.
    """
    num_classes, num_frames = scores.shape
    sure = (scores >= least_score).tolist()
    seen = [{k: boxes[k, t] for k in range(num_classes) if sure[k][t]} for t in range(num_frames)]
    prompts: dict[int, Boxes] = {}
    for k, best in enumerate(scores.argmax(dim=1).tolist()):
        if sure[k][best]:
            prompts.setdefault(best, {})[k] = boxes[k, best]
    if every:
        for t in range(0, num_frames, every):
            prompts[t] = prompts.get(t, {}) | seen[t]
    return prompts, seen


class BoxTracking:
    """The objects of one clip, one a class, in one direction of time."""

    def __init__(self, tracker: Sam2Tracker, num_classes: int):
        """Nothing is known yet."""
        self.tracker, self.num_classes = tracker, num_classes
        self.objects: dict[int, ObjectMemory] = {}

    def step(
        self,
        embedding: Embedding,
        number: int,
        boxes: Boxes,
        *,
        seen: Boxes | None = None,
        agreement: float = 0.0,
    ) -> FrameMasks:
        """Segment the next frame.

        Args:
            embedding: of the frame, as the tracker's `embed` gives it.
            number: of the frame; frames come in the order of time, or against it.
            boxes: of the classes that are prompted here; the others are followed.
            seen: a second opinion on those.
            agreement: a class is prompted with the box that was seen where its IoU with the box of
                the followed mask is below this.

        Returns:
            Of all K classes; NO_OBJECT for those not prompted so far.
        """
        everything = self.absent()
        followed: dict[int, Memory] = {}
        for labels in self._followed(boxes):
            known = [self.objects[label] for label in labels]
            masks, memory = self.tracker.follow(embedding, known, number)
            everything = everything.replaced(labels, masks)
            followed |= {label: memory.of(place) for place, label in enumerate(labels)}
            boxes = boxes | _disagreeing(labels, masks, seen or {}, agreement)
        if boxes:
            labels = sorted(boxes)
            parts = torch.stack([boxes[label] for label in labels])
            pixels = corners(parts).clamp(0, 1) * self.tracker.size
            masks, memory = self.tracker.prompt(embedding, pixels, number)
            everything = everything.replaced(labels, masks)
            for place, label in enumerate(labels):
                one = self.objects.setdefault(label, ObjectMemory())
                self.tracker.remember(one, memory.of(place), prompted=True)
        for label in followed.keys() - boxes.keys():
            self.tracker.remember(self.objects[label], followed[label], prompted=False)
        return everything

    def look_ahead(self, embedding: Embedding, number: int, boxes: Boxes) -> None:
        """Let the objects of these boxes know a later prompted frame, one for each."""
        labels = sorted(boxes)
        parts = torch.stack([boxes[label] for label in labels])
        pixels = corners(parts).clamp(0, 1) * self.tracker.size
        _, memory = self.tracker.prompt(embedding, pixels, number)
        for place, label in enumerate(labels):
            self.objects[label].ahead = [memory.of(place)]

    def _followed(self, prompted: Boxes) -> list[list[int]]:
        """The other known classes, those that can be computed together in one list."""
        groups: dict[tuple, list[int]] = {}
        for label, one in self.objects.items():
            if label not in prompted:
                groups.setdefault(one.frames, []).append(label)
        return list(groups.values())

    def absent(self) -> FrameMasks:
        """A frame of which nothing is known."""
        like, side = next(self.tracker.parameters()), self.tracker.size // 4
        masks = like.new_full((self.num_classes, side, side), NO_OBJECT)
        return FrameMasks(masks, masks, like.new_full((self.num_classes,), NO_OBJECT))


def track_video(
    tracker: Sam2Tracker,
    frames: Sequence[Tensor],
    prompts: dict[int, Boxes],
    num_classes: int,
    *,
    look: Callable[[int], Boxes] | None = None,
    agreement: float = 0.5,
) -> Iterator[tuple[int, Tensor]]:
    """Masks of every frame, in order; a class is followed from its first box in both directions.

    Between two boxes of a class both are known; before its first box that one alone. What is held
    does not grow with the video: masks before the first box of the last class lie in a temporary
    file.

    Args:
        tracker: of frames of its size.
        frames: T frames (3, size, size), normalised; read when they are needed.
        prompts: boxes by frame, at least one; see box_prompts.py for what is refused.
        num_classes: K.
        look: a second opinion, boxes of some classes on a frame. Where one and the box of the
            followed mask have an IoU below `agreement`, the class is prompted anew with it.
        agreement: 0 never prompts anew.

    Yields:
        (frame, (K, s, s) logits).
    """
    first = {}  # class -> its first prompted frame
    for number in sorted(prompts):
        for label in prompts[number]:
            first.setdefault(label, number)
    with tempfile.TemporaryFile() as file:
        opinion = {"look": look, "agreement": agreement}
        before = _backward(tracker, frames, prompts, first, num_classes, file, **opinion)
        tracking = BoxTracking(tracker, num_classes)
        for number in range(len(frames)):
            boxes = prompts.get(number, {})
            logits = tracking.absent().logits
            if boxes or tracking.objects:
                (embedding,) = tracker.embed(frames[number][None])
                seen = look(number) if look else {}
                found = tracking.step(embedding, number, boxes, seen=seen, agreement=agreement)
                logits = found.logits
                _look_ahead(tracking, frames, prompts, number)
            for label, start in first.items():
                if number < start:
                    earlier = torch.from_numpy(before[number, label].astype(np.float32))
                    logits[label] = earlier.to(logits)
            yield number, logits


def _look_ahead(tracking: BoxTracking, frames, prompts: dict[int, Boxes], number: int) -> None:
    """Where classes are prompted on this frame, prompt the next frame with a box of each."""
    coming: dict[int, Boxes] = {}
    for label in prompts.get(number, {}):
        later = [frame for frame in prompts if frame > number and label in prompts[frame]]
        if later:
            coming.setdefault(min(later), {})[label] = prompts[min(later)][label]
    for frame, boxes in coming.items():
        (embedding,) = tracking.tracker.embed(frames[frame][None])
        tracking.look_ahead(embedding, frame, boxes)


def _backward(tracker, frames, prompts, first, num_classes: int, file, *, look, agreement: float):
    """Masks before the first box of each class, (frames, K, s, s) float16 in `file`."""
    last, side = max(first.values()), tracker.size // 4
    if last == 0:
        return None
    masks = np.memmap(file, np.float16, "w+", shape=(last, num_classes, side, side))
    tracking = BoxTracking(tracker, num_classes)
    for number in range(last, -1, -1):
        starting = {k: box for k, box in prompts.get(number, {}).items() if first[k] == number}
        if not starting and not tracking.objects:
            continue
        (embedding,) = tracker.embed(frames[number][None])
        seen = look(number) if look else {}
        found = tracking.step(embedding, number, starting, seen=seen, agreement=agreement)
        if number < last:
            masks[number] = found.logits.detach().float().cpu().numpy()
    return masks


def _disagreeing(labels: list[int], masks: FrameMasks, seen: Boxes, agreement: float) -> Boxes:
    """Of the boxes that were seen those that the masks of `labels` contradict."""
    compared = [place for place, label in enumerate(labels) if label in seen]
    if not compared:
        return {}
    followed, _ = boxes_of_masks(masks.logits[compared] > 0, trim=STRAY)
    own = {labels[place]: seen[labels[place]] for place in compared}
    iou, _ = box_iou(followed, torch.stack(list(own.values())))
    return {k: box for (k, box), i in zip(own.items(), iou.tolist(), strict=True) if i < agreement}
