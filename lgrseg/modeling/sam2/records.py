"""What travels between the parts of BOX-SAM2: encoded frames, memories of objects, their masks.

Letters: O objects, C width of the features (256), M of the memory (64), S pixels at stride 16,
J mask candidates of an object, s side of a mask.
"""

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from lgrseg.layers.clip_batch import to_device

NO_OBJECT = -1024.0
"""SAM 2's logit where an object is not in the frame."""


@dataclass
class Embedding:
    """What the image encoder makes of one frame."""

    features: list[Tensor]
    """Strides 4, 8 and 16, each (h w, 1, C) as transformers has them."""
    position: Tensor
    """(S, 1, C): of the pixels at stride 16."""


@dataclass
class Memory:
    """What is remembered of some objects on one frame."""

    frame: int
    features: Tensor
    """(S, O, M)."""
    position: Tensor
    """(S, O, M)."""
    pointer: Tensor
    """(O, C): the object in one vector."""

    def of(self, place: int) -> "Memory":
        """The part of one object."""
        one = slice(place, place + 1)
        return Memory(self.frame, self.features[:, one], self.position[:, one], self.pointer[one])


def together(memories: list[Memory]) -> Memory:
    """Several objects on one frame."""
    return Memory(
        memories[0].frame,
        torch.cat([memory.features for memory in memories], dim=1),
        torch.cat([memory.position for memory in memories], dim=1),
        torch.cat([memory.pointer for memory in memories]),
    )


@dataclass
class ObjectMemory:
    """All that is remembered of one object; the newest last."""

    prompted: list[Memory] = field(default_factory=list)
    recent: list[Memory] = field(default_factory=list)
    """Of frames without a prompt."""
    ahead: list[Memory] = field(default_factory=list)
    """Of a prompted frame that is still to come."""

    @property
    def frames(self) -> tuple[tuple[int, ...], ...]:
        """The frames that are remembered; objects that share them can be followed together."""
        return tuple(
            tuple(m.frame for m in all) for all in (self.prompted, self.recent, self.ahead)
        )


@dataclass
class FrameMasks:
    """The objects of one frame."""

    logits: Tensor
    """(O, s, s) at a quarter of the input size, raw; 0 is the boundary, NO_OBJECT where absent."""
    candidates: Tensor
    """(O, J, s, s) raw: the masks among which one was chosen, before absence was decided. Where
    SAM 2 gives a single mask, all J are that one."""
    ious: Tensor
    """(O, J) the IoU with the object that is expected of each candidate, 0 to 1."""
    object_logits: Tensor
    """(O,) raw: whether the object is in the frame."""

    @property
    def sureness(self) -> Tensor:
        """(O,) 0 to 1: how far the tracker trusts what it says of each object.

        Of a mask, the probability that the object is there times the IoU that is expected of the
        mask; of an absent object, the probability that it is absent.
        """
        there = self.object_logits.sigmoid()
        mask = there * self.ious.amax(dim=1)
        return torch.where(self.object_logits > 0, mask, 1 - there)

    def replaced(self, places: list[int], others: "FrameMasks") -> "FrameMasks":
        """These, with others at some places; of this type, where autocast made them another."""
        where = to_device(torch.tensor(places), self.logits.device)
        pairs = ((getattr(self, f.name), getattr(others, f.name)) for f in fields(self))
        return FrameMasks(*(own.index_copy(0, where, new.to(own)) for own, new in pairs))

    def at(self, places: list[int]) -> "FrameMasks":
        """Those of some objects."""
        return FrameMasks(*(getattr(self, f.name)[places] for f in fields(self)))
