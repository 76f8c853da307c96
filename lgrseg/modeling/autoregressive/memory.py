"""Memory of a video: the masks of the last frames as tokens of the prefix.

Letters: N masks, M remembered masks, K classes, D width of a token, h w grid of tokens.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.modeling.autoregressive.moved_masks import MovedMasks
from lgrseg.modeling.autoregressive.orders import Grid, places

FAR = MovedMasks(rotation=20, scale=0.2, shift=0.12)
"""As wrong as the masks of a model that has lost the heart."""


class MaskMemory(nn.Module):
    """Each remembered mask is pooled to side x side tokens, so a video may have any length.

    In training, the remembered masks are copies of the true one that are moved at random, because
    frames next to an annotated one have no masks. Some are left out, so that the model can begin a
    video. Some show the heart at a wrong place, so that the model does not only copy them, and
    finds the heart again after an error.
    """

    def __init__(
        self,
        *,
        width: int,
        num_masks: int = 2,
        side: int = 4,
        absent_share: float = 0.3,
        wrong_share: float = 0.3,
        rotation: float = 5.0,
        scale: float = 0.08,
        shift: float = 0.04,
    ):
        """Set up the memory.

        Args:
            width: width D of a token.
            num_masks: number M of remembered masks.
            side: height and width of the pooled masks, in tokens.
            absent_share: share of the masks that are left out in training, 0 to 1.
            wrong_share: share of the frames whose remembered masks all show the same wrong place
                in training, 0 to 1: first moved by `FAR`, and then as the others.
            rotation: largest rotation of a copy in training, in degrees.
            scale: largest zoom of a copy: from 1 - scale to 1 + scale.
            shift: largest shift of a copy, as part of the side.
        """
        super().__init__()
        self.num_masks, self.side = num_masks, side
        self.absent_share, self.wrong_share = absent_share, wrong_share
        self.moves = MovedMasks(rotation=rotation, scale=scale, shift=shift)
        self.absent = nn.Parameter(0.02 * torch.randn(width))
        self.ages = nn.Parameter(0.02 * torch.randn(num_masks, width))

    def forward(self, earlier: Sequence[Tensor], is_absent: Tensor | None, like: Tensor) -> Tensor:
        """Make the tokens of the memory.

        Args:
            earlier: embedded masks (N, h, w, D) of earlier frames, the latest first; at most M.
            is_absent: (N, M) bool, true for masks that are left out; None for none.
            like: (N, ...) tensor with the number of masks, device and type.

        Returns:
            (N, M x side x side, D).
        """
        count, slots = self.side**2, []
        for slot, age in enumerate(self.ages):
            absent = self.absent.expand(len(like), count, -1).to(like)
            if slot >= len(earlier):
                slots.append(absent + age)
                continue
            pooled = F.adaptive_avg_pool2d(earlier[slot].permute(0, 3, 1, 2), self.side)
            tokens = pooled.flatten(2).transpose(1, 2)
            if is_absent is not None:
                tokens = torch.where(is_absent[:, slot, None, None], absent, tokens)
            slots.append(tokens + age)
        return torch.cat(slots, dim=1)

    def positions(self, grid: Grid, device: torch.device) -> Tensor:
        """(M x side x side, 3) positions: times -1, -2 and so on, in cells of the grid."""
        cells = places([(self.side, self.side), grid], device)[: self.side**2]
        time = cells.new_tensor([1.0, 0.0, 0.0])
        return torch.cat([cells - (slot + 1) * time for slot in range(self.num_masks)])

    def draw(
        self, shares: Tensor, generators: list[torch.Generator]
    ) -> tuple[list[Tensor], Tensor]:
        """Draw moved copies of N true masks.

        Args:
            shares: (N, K + 1, H, W) class shares.
            generators: random generator of each mask.

        Returns:
            M tensors (N, K + 1, H, W), and (N, M) bool, true for copies to leave out.
        """
        count = self.num_masks + 1
        drawn = [torch.rand(count, 5, generator=g, device=g.device) for g in generators]
        uniform = torch.stack(drawn).to(shares.device)
        common, uniform = uniform[:, 0], uniform[:, 1:]
        is_wrong = common[:, 4, None, None, None] < self.wrong_share
        shares = torch.where(is_wrong, FAR(shares, 2 * common[:, :4] - 1), shares)
        copies = [self.moves(shares, 2 * each - 1) for each in uniform[..., :4].unbind(dim=1)]
        return copies, uniform[..., 4] < self.absent_share
