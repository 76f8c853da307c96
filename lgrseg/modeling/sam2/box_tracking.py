"""Tracks one object per class from boxes through a video of any length, in both directions.

Letters: K classes, T frames, s side of the masks (a quarter of the side of the input).
"""

import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Protocol

import numpy as np
import torch
from torch import Tensor

from lgrseg.modeling.sam2.predicted_boxes import Boxes, Opinions, disagreeing
from lgrseg.modeling.sam2.records import NO_OBJECT, Embedding, FrameMasks, Memory, ObjectMemory
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.structures.boxes import corners


class Frames(Protocol):
    """Frames of a video: one tensor (T, 3, size, size), or frames that are read when needed."""

    def __len__(self) -> int:
        """Number T of frames."""
        ...

    def __getitem__(self, number: int, /) -> Tensor:
        """(3, size, size) normalised frame."""
        ...


class BoxTracking:
    """Tracks the objects of one clip, one per class, in one direction of time."""

    def __init__(self, tracker: Sam2Tracker, num_classes: int):
        """Start without objects."""
        self.tracker, self.num_classes = tracker, num_classes
        self.objects: dict[int, ObjectMemory] = {}

    def step(
        self,
        embedding: Embedding,
        number: int,
        boxes: Boxes,
        *,
        opinions: Opinions | None = None,
        agreement: float = 0.0,
    ) -> FrameMasks:
        """Segment the next frame.

        Args:
            embedding: encoded frame from the tracker's `embed`.
            number: index of the frame; frames come in ascending or descending order.
            boxes: boxes of the classes that are prompted here; the others are tracked.
            opinions: predicted boxes of the other classes.
            agreement: IoU of a predicted box and the box of the tracked mask, 0 to 1. Below it,
                the predicted box is used as a new prompt if its score times the confidence of the
                resulting mask is above the confidence of the tracked mask.

        Returns:
            Masks of all K classes; NO_OBJECT for classes without a prompt so far.
        """
        all_masks = self.absent()
        followed: dict[int, Memory] = {}
        prompted: dict[int, Memory] = {}
        doubted: Opinions = {}
        for labels in self._followed(boxes):
            memories = [self.objects[label] for label in labels]
            masks, memory = self.tracker.follow(embedding, memories, number)
            all_masks = all_masks.replaced(labels, masks)
            followed |= {label: memory.of(position) for position, label in enumerate(labels)}
            doubted |= disagreeing(labels, masks, opinions or {}, agreement)
        if boxes:
            labels, masks, prompted = self._prompt(embedding, number, boxes)
            all_masks = all_masks.replaced(labels, masks)
        if doubted:
            all_masks, memories_of_boxes = self._surer(embedding, number, all_masks, doubted)
            prompted |= memories_of_boxes
        for label, memory in prompted.items():
            object_memory = self.objects.setdefault(label, ObjectMemory())
            self.tracker.remember(object_memory, memory, prompted=True)
        for label in followed.keys() - prompted.keys():
            self.tracker.remember(self.objects[label], followed[label], prompted=False)
        return all_masks

    def _surer(
        self, embedding: Embedding, number: int, masks: FrameMasks, doubted: Opinions
    ) -> tuple[FrameMasks, dict[int, Memory]]:
        """Masks of all classes, and new memories of classes whose box has the higher confidence."""
        boxes = {label: opinion.box for label, opinion in doubted.items()}
        labels, others, memories = self._prompt(embedding, number, boxes)
        scores = torch.tensor([doubted[label].score for label in labels]).to(others.logits)
        is_surer = (scores * others.sureness > masks.sureness[labels]).tolist()
        positions = [position for position in range(len(labels)) if is_surer[position]]
        prompted_labels = [labels[position] for position in positions]
        masks = masks.replaced(prompted_labels, others.at(positions)) if prompted_labels else masks
        return masks, {label: memories[label] for label in prompted_labels}

    def look_ahead(self, embedding: Embedding, number: int, boxes: Boxes) -> None:
        """Add the memory of a later prompted frame to the objects of these boxes."""
        _, _, memories = self._prompt(embedding, number, boxes)
        for label, memory in memories.items():
            self.objects[label].ahead = [memory]

    def _prompt(
        self, embedding: Embedding, number: int, boxes: Boxes
    ) -> tuple[list[int], FrameMasks, dict[int, Memory]]:
        """Classes in order, their masks from these boxes, and their memories."""
        labels = sorted(boxes)
        parts = torch.stack([boxes[label] for label in labels])
        # In SAM 2, pixel i has its centre at i. Here the edge of the frame is at 0.
        pixels = corners(parts).clamp(0, 1) * self.tracker.size - 0.5
        masks, memory = self.tracker.prompt(embedding, pixels, number)
        return labels, masks, {label: memory.of(position) for position, label in enumerate(labels)}

    def _followed(self, prompted: Boxes) -> list[list[int]]:
        """The other tracked classes, grouped so that each group can be computed together."""
        groups: dict[tuple, list[int]] = {}
        for label, one in self.objects.items():
            if label not in prompted:
                groups.setdefault(one.frames, []).append(label)
        return list(groups.values())

    def absent(self) -> FrameMasks:
        """Masks of a frame without objects."""
        like, side = next(self.tracker.parameters()), self.tracker.size // 4
        candidates = like.new_full(
            (self.num_classes, self.tracker.num_candidates, side, side), NO_OBJECT
        )
        ious = like.new_zeros(candidates.shape[:2])
        object_logits = like.new_full((self.num_classes,), NO_OBJECT)
        return FrameMasks(candidates[:, 0].clone(), candidates, ious, object_logits)


def track_video(
    tracker: Sam2Tracker,
    frames: Frames,
    prompts: dict[int, Boxes],
    num_classes: int,
    *,
    look: Callable[[int], Opinions] | None = None,
    agreement: float = 0.5,
) -> Iterator[tuple[int, Tensor]]:
    """Yield masks of all frames in order; a class is tracked from its first box in both directions.

    Between two boxes of a class, both are in the memory. Before its first box, only this one is.
    Memory use does not grow with the length of the video: masks before the first box of the last
    class are stored in a temporary file.

    Args:
        tracker: tracker for frames of this size.
        frames: T frames (3, size, size), normalised; read when they are needed.
        prompts: boxes by frame, at least one; box_prompts.py checks them.
        num_classes: number K of classes.
        look: function from a frame to predicted boxes of some classes. If a box and the
            tracked mask disagree, the class may be prompted again (see `BoxTracking.step`).
        agreement: IoU below which box and mask disagree, 0 to 1; 0 never prompts again.

    Yields:
        (frame, (K, s, s) logits).
    """
    first: dict[int, int] = {}  # class -> its first prompted frame
    for number in sorted(prompts):
        for label in prompts[number]:
            first.setdefault(label, number)
    with tempfile.TemporaryFile() as file:
        backward_masks = _backward(
            tracker, frames, prompts, first, num_classes, file, look=look, agreement=agreement
        )
        tracking = BoxTracking(tracker, num_classes)
        for number in range(len(frames)):
            boxes = prompts.get(number, {})
            logits = tracking.absent().logits
            if boxes or tracking.objects:
                (embedding,) = tracker.embed(frames[number][None])
                opinions = look(number) if look else {}
                masks = tracking.step(
                    embedding, number, boxes, opinions=opinions, agreement=agreement
                )
                logits = masks.logits
                _look_ahead(tracking, frames, prompts, number)
            for label, start in first.items():
                if number < start:
                    earlier = torch.from_numpy(backward_masks[number, label].astype(np.float32))
                    logits[label] = earlier.to(logits)
            yield number, logits


def _look_ahead(
    tracking: BoxTracking, frames: Frames, prompts: dict[int, Boxes], number: int
) -> None:
    """For classes prompted on this frame, add the memory of their next prompted frame."""
    next_boxes: dict[int, Boxes] = {}
    for label in prompts.get(number, {}):
        later = [frame for frame in prompts if frame > number and label in prompts[frame]]
        if later:
            next_boxes.setdefault(min(later), {})[label] = prompts[min(later)][label]
    for frame, boxes in next_boxes.items():
        (embedding,) = tracking.tracker.embed(frames[frame][None])
        tracking.look_ahead(embedding, frame, boxes)


def _backward(
    tracker: Sam2Tracker,
    frames: Frames,
    prompts: dict[int, Boxes],
    first: dict[int, int],
    num_classes: int,
    file: IO[bytes],
    *,
    look: Callable[[int], Opinions] | None,
    agreement: float,
) -> np.ndarray:
    """Masks before the first box of each class, (frames, K, s, s) float16 in `file`."""
    last, side = max(first.values()), tracker.size // 4
    if last == 0:  # a memory map cannot be empty
        return np.zeros((0, num_classes, side, side), np.float16)
    masks = np.memmap(file, np.float16, "w+", shape=(last, num_classes, side, side))
    tracking = BoxTracking(tracker, num_classes)
    for number in range(last, -1, -1):
        starting = {k: box for k, box in prompts.get(number, {}).items() if first[k] == number}
        if not starting and not tracking.objects:
            continue
        (embedding,) = tracker.embed(frames[number][None])
        opinions = look(number) if look else {}
        step = tracking.step(embedding, number, starting, opinions=opinions, agreement=agreement)
        if number < last:
            masks[number] = step.logits.detach().float().cpu().numpy()
    return masks
