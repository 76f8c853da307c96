"""A loss term of your own: the predicted area of a structure should be the true one."""

from dataclasses import dataclass

from torch import Tensor

from lgrseg.modeling.losses.matched_masks import MatchedMasks


@dataclass(frozen=True)
class AreaTerm:
    """The absolute difference of areas: "loss_area".

    area = mean of the probabilities over all pixels of a frame, from 0 to 1
    """

    weight: float = 5.0
    name: str = "area"

    def __call__(self, matched: MatchedMasks) -> Tensor:
        """(L, R) values: one for each decoder layer, and each object on each annotated frame."""
        predicted = matched.logits.sigmoid().mean((-2, -1))
        return (predicted - matched.truth.float().mean((-2, -1))).abs()
