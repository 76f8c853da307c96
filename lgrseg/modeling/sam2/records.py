"""Records of BOX-SAM2: encoded frames, memories of objects, and their masks.

Letters: O objects, C width of the features (256), M of the memory (64), S pixels at stride 16,
J mask candidates of an object, s side of a mask.
"""

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from lgrseg.layers.clip_batch import to_device

NO_OBJECT = -1024.0
"""SAM 2's mask logit for an object that is not in the frame."""


@dataclass
class Embedding:
    """Output of the image encoder for one frame."""

    features: list[Tensor]
    """Maps at strides 4, 8 and 16, (h w, 1, C) each, as in transformers."""
    position: Tensor
    """(S, 1, C) position encoding of the pixels at stride 16."""


@dataclass
class Memory:
    """Memory of some objects on one frame."""

    frame: int
    features: Tensor
    """(S, O, M) memory features."""
    position: Tensor
    """(S, O, M) position encoding of the features."""
    pointer: Tensor
    """(O, C) one vector per object."""

    def of(self, place: int) -> "Memory":
        """Select the memory of one object."""
        one = slice(place, place + 1)
        return Memory(self.frame, self.features[:, one], self.position[:, one], self.pointer[one])


def together(memories: list[Memory]) -> Memory:
    """Join the memories of several objects on one frame."""
    return Memory(
        memories[0].frame,
        torch.cat([memory.features for memory in memories], dim=1),
        torch.cat([memory.position for memory in memories], dim=1),
        torch.cat([memory.pointer for memory in memories]),
    )


@dataclass
class ObjectMemory:
    """Complete memory of one object; the newest frames are last."""

    prompted: list[Memory] = field(default_factory=list)
    recent: list[Memory] = field(default_factory=list)
    """Memory of frames without a prompt."""
    ahead: list[Memory] = field(default_factory=list)
    """Memory of a later prompted frame."""

    @property
    def frames(self) -> tuple[tuple[int, ...], ...]:
        """The frames in the memory; objects with the same frames can be tracked together."""
        return tuple(
            tuple(m.frame for m in all) for all in (self.prompted, self.recent, self.ahead)
        )


@dataclass
class FrameMasks:
    """Masks of the objects of one frame."""

    logits: Tensor
    """(O, s, s) mask logits at a quarter of the input size; NO_OBJECT for absent objects."""
    candidates: Tensor
    """(O, J, s, s) logits of all mask candidates, also for absent objects. If SAM 2 predicts a
    single mask, all J are equal."""
    ious: Tensor
    """(O, J) predicted IoU of each candidate with the object, 0 to 1."""
    object_logits: Tensor
    """(O,) logits of "the object is in the frame"."""

    @property
    def sureness(self) -> Tensor:
        """(O,) confidence of the tracker for each object, 0 to 1.

        For a mask: the probability that the object is present times the predicted IoU of the mask.
        For an absent object: the probability that it is absent.
        """
        presence = self.object_logits.sigmoid()
        mask = presence * self.ious.amax(dim=1)
        return torch.where(self.object_logits > 0, mask, 1 - presence)

    def replaced(self, places: list[int], others: "FrameMasks") -> "FrameMasks":
        """Replace the masks at some positions by others, converted to this type."""
        where = to_device(torch.tensor(places), self.logits.device)
        pairs = ((getattr(self, f.name), getattr(others, f.name)) for f in fields(self))
        return FrameMasks(*(this.index_copy(0, where, new.to(this)) for this, new in pairs))

    def at(self, places: list[int]) -> "FrameMasks":
        """Select the masks of some objects."""
        return FrameMasks(*(getattr(self, f.name)[places] for f in fields(self)))
