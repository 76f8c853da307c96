"""Interfaces of LGRNet's parts; a network with the members of a protocol can be this part."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.structures import ClipTargets


@runtime_checkable
class ClipEncoder(Protocol):
    """Maps of a backbone to maps of one width, see `LGREncoder`."""

    causal: bool
    """Whether no frame depends on a later one."""

    def connect(self, backbone: nn.Module) -> None:
        """Adapt the encoder to a backbone, or raise ValueError if it was made for another one."""

    def __call__(self, features: dict[str, Tensor], time: Tensor | None) -> dict[str, Tensor]:
        """See `LGREncoder.forward`."""
        ...


@runtime_checkable
class QueryDecoder(Protocol):
    """Maps of an encoder to classes and masks of queries, see `MaskedDecoder`."""

    causal: bool
    """Whether no frame depends on a later one."""
    num_classes: int
    num_queries: int
    box_head: nn.Module | None
    """The part that predicts boxes; None if there is none."""
    query_features: nn.Embedding
    """The learned queries; the time encoding has the same width."""

    def __call__(self, features: dict[str, Tensor], time: Tensor | None) -> list[DecoderOutput]:
        """See `MaskedDecoder.forward`."""
        ...


@runtime_checkable
class QueryCriterion(Protocol):
    """Outputs of a decoder and targets to losses, see `SetCriterion`."""

    num_classes: int

    def totals(
        self, targets: Sequence[ClipTargets], num_queries: int, *, boxes: bool = False
    ) -> dict[str, float]:
        """See `SetCriterion.totals`."""
        ...

    def __call__(
        self,
        outputs: list[DecoderOutput],
        targets: list[ClipTargets],
        *,
        totals: Mapping[str, float | Tensor] | None = None,
        generators: Sequence[torch.Generator | None] | None = None,
    ) -> dict[str, Tensor]:
        """See `SetCriterion.forward`."""
        ...
