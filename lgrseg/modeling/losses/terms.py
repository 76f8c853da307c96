"""Terms of the mask loss: each compares the masks of matched queries with the truth.

Source: Mask2Former (CVPR 2022), section 3.3: cross-entropy and Dice on sampled points.

Letters: L decoder outputs, R rows (one for every object on every annotated frame), P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor

from lgrseg.layers.numerics import soft_dice
from lgrseg.modeling.losses.matched_masks import MatchedMasks


@runtime_checkable
class LossTerm(Protocol):
    """A term of the loss, without parameters; its key in the losses is "loss_" + name.

    loss = weight * mean over the rows of the batch of the term's values
    """

    @property
    def name(self) -> str:
        """Unique name of the term."""
        ...

    @property
    def weight(self) -> float:
        """Factor of the term in the sum that training minimises."""
        ...

    def __call__(self, matched: MatchedMasks) -> Tensor:
        """(L, R) values, one for each row of each decoder output."""
        ...


@dataclass(frozen=True)
class PointEntropy:
    """Binary cross-entropy: mean over points of -[y log s(x) + (1 - y) log(1 - s(x))]."""

    weight: float
    name: str = "mask"

    def __call__(self, matched: MatchedMasks) -> Tensor:
        """(L, R) values."""
        return F.binary_cross_entropy_with_logits(
            matched.point_logits, matched.point_truth, reduction="none"
        ).mean(dim=-1)


@dataclass(frozen=True)
class PointDice:
    """Dice loss over points: 1 - (2 sum s(x) y + 1) / (sum s(x) + sum y + 1)."""

    weight: float
    name: str = "dice"

    def __call__(self, matched: MatchedMasks) -> Tensor:
        """(L, R) values."""
        return 1 - soft_dice(matched.point_logits.sigmoid(), matched.point_truth, -1)


def check_names(terms: Sequence[LossTerm], others: Sequence[str]) -> None:
    """Raise an error for a term with the name of another loss, which it would replace.

    Args:
        terms: all terms of a criterion.
        others: names of losses that are not terms.

    Raises:
        ValueError: two losses have the same name.
    """
    names = [*others, *(term.name for term in terms)]
    for term in terms:
        if names.count(term.name) > 1:
            raise ValueError(
                f"two losses are named {term.name!r}: give an extra term another name than "
                f"{', '.join(dict.fromkeys(names))}"
            )


def values_of(term: LossTerm, matched: MatchedMasks) -> Tensor:
    """The (L, R) values of a term.

    Raises:
        ValueError: the term returns values of another shape.
    """
    values, expected = term(matched), matched.point_logits.shape[:2]
    if values.shape != expected:
        raise ValueError(
            f"the loss term {term.name!r} returns values of shape {tuple(values.shape)}; it must "
            f"return one for each row of each decoder output, {tuple(expected)}"
        )
    return values
