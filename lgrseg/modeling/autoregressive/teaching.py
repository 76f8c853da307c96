"""Teacher forcing of mask tokens: wrong inputs, soft targets and their loss.

Letters: N masks, P tokens, C codes, D size of a code.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lgrseg.layers.numerics import at_least_float32, divide
from lgrseg.modeling.autoregressive.moved_masks import MovedMasks
from lgrseg.modeling.autoregressive.orders import tokens_of_scales
from lgrseg.modeling.autoregressive.sequence import MaskSequence, Prefix
from lgrseg.modeling.autoregressive.tokenizer import pure_patches, share_losses

MOVES = MovedMasks(rotation=20, scale=0.2, shift=0.12)
"""As wrong as the masks of coarse scales are early in training."""
NUM_NEAR = 10
"""Number of codes among which a near code is drawn."""


def corrupted(tokens: Tensor, codebook: Tensor, uniform: Tensor, most: float) -> Tensor:
    """Replace a random share of tokens by wrong ones, as a model makes them at test.

    Half of the wrong tokens are one of the 10 nearest codes, half are any code.

    Args:
        tokens: (N, P) tokens.
        codebook: (C, D) codes.
        uniform: (N, P + 1, 3) random numbers, 0 to 1.
        most: largest share of replaced tokens; the share of a mask is drawn from 0 to `most`.
    """
    share = most * uniform[:, :1, 0]
    is_wrong, is_near = uniform[:, 1:, 0] < share, uniform[:, 1:, 1] < 0.5
    drawn = uniform[:, 1:, 2]
    other = (drawn * len(codebook)).long().clamp(max=len(codebook) - 1)
    near = nearest_codes(codebook, tokens[is_wrong & is_near])
    wrong = other.masked_scatter(is_wrong & is_near, _pick(near, drawn[is_wrong & is_near]))
    return torch.where(is_wrong, wrong, tokens)


def _pick(candidates: Tensor, drawn: Tensor) -> Tensor:
    column = (drawn * candidates.shape[1]).long().clamp(max=candidates.shape[1] - 1)
    return candidates.gather(1, column[:, None])[:, 0]


def nearest_codes(codebook: Tensor, tokens: Tensor) -> Tensor:
    """(M,) tokens -> (M, n) int64: their nearest other codes, at most 10."""
    distance = torch.cdist(codebook[tokens], codebook)
    distance.scatter_(1, tokens[:, None], torch.inf)
    count = min(NUM_NEAR, len(codebook) - 1)
    return distance.topk(count, dim=1, largest=False).indices


def soft_targets(
    tokens: Tensor, codebook: Tensor, *, neighbours: float, temperature: float
) -> Tensor:
    """Distributions over codes: most of the mass at the true code, the rest at similar ones.

        (1 - neighbours) [k = t] + neighbours softmax_k(-|e_k - e_t|^2 / (temperature v))

    where v is the variance of the codes, summed over their numbers.

    Args:
        tokens: (M,) true tokens t.
        codebook: (C, D) codes e.
        neighbours: mass of the second term, 0 to 1.
        temperature: width of the second term.

    Returns:
        (M, C) probabilities.
    """
    exact = F.one_hot(tokens, len(codebook)).to(codebook)
    if neighbours == 0:
        return exact
    squares = torch.cdist(codebook[tokens], codebook).square()
    width = temperature * codebook.var(dim=0).sum().clamp(min=1e-6)
    return (1 - neighbours) * exact + neighbours * (-squares / width).softmax(dim=1)


class Teacher(nn.Module):
    """Losses of one pass over the true tokens (teacher forcing).

    "loss_token" is the cross-entropy with `soft_targets`, "loss_ce" and "loss_dice" compare the
    label map that the frozen tokenizer decodes from soft tokens, softmax(logits) @ codes.
    """

    iteration: int = 0
    """The number of the training step; it is set before the step."""

    def __init__(
        self,
        *,
        corruption: float | Callable[[int], float] = 0.3,
        moved_share: float = 0.7,
        neighbours: float = 0.1,
        neighbour_temperature: float = 0.02,
        pure_weight: float = 0.25,
        dice_weight: float = 1.0,
        subset_share: float = 0.3,
    ):
        """Set the weights.

        Args:
            corruption: largest share of wrong input tokens, 0 to 1; or a function from the
                iteration to it, such as `LinearRamp`.
            moved_share: share of the masks whose input tokens show the mask at a wrong place, 0
                to 1. Otherwise the model copies the true coarse mask, and does not learn to find
                the heart in the image.
            neighbours: mass of similar codes in the targets, 0 to 1; see `soft_targets`.
            neighbour_temperature: width of this mass.
            pure_weight: weight of tokens of patches with one class; boundary tokens have weight 1.
            dice_weight: weight of the losses of the decoded label map; 0 leaves them out.
            subset_share: share of the masks that show only a random subset of the classes, as the
                start token requests.
        """
        super().__init__()
        self.corruption, self.moved_share, self.neighbours = corruption, moved_share, neighbours
        self.neighbour_temperature, self.pure_weight = neighbour_temperature, pure_weight
        self.dice_weight, self.subset_share = dice_weight, subset_share

    def forward(
        self,
        sequence: MaskSequence,
        image: Tensor,
        shares: Tensor,
        generators: list[torch.Generator],
        num_frames: float | Tensor,
    ) -> dict[str, Tensor]:
        """Compute the losses of N masks, as sums over masks / `num_frames`.

        Args:
            sequence: model of the tokens.
            image: (N, D, h, w) image tokens.
            shares: (N, K + 1, H, W) true class shares; H and W are multiples of the stride.
            generators: random generator of each mask.
            num_frames: divisor of the sums.
        """
        if len(image) == 0:
            zero = 0 * (image.sum() + sum(p.sum() for p in sequence.parameters()))
            names = ["loss_token", "loss_ce", "loss_dice"] if self.dice_weight else ["loss_token"]
            return dict.fromkeys(names, zero)
        grid = (image.shape[2], image.shape[3])
        requested = draw_requests(self.subset_share, shares.shape[1] - 1, generators)
        requested = requested.to(image.device)
        shares = without_classes(shares, ~requested)
        scales = sequence.order.scales(grid)
        with torch.no_grad():
            tokens, maps = tokens_of_scales(sequence.tokenizer, shares, scales)
            moved = draw_moved(self.moved_share, shares, generators)
            inputs, _ = tokens_of_scales(sequence.tokenizer, moved, scales)
            inputs = self._corrupted(sequence, inputs, generators)
        prefix = self._prefix(sequence, image, requested, shares, generators)
        logits = at_least_float32(sequence(prefix, inputs))
        losses = {"loss_token": self._token_loss(sequence, logits, tokens, maps, num_frames)}
        if self.dice_weight:
            last = logits[:, -grid[0] * grid[1] :].softmax(dim=-1)
            codes = (last @ sequence.tokenizer.codebook).unflatten(1, grid)
            decoded = share_losses(sequence.tokenizer.decode(codes), shares, num_frames)
            losses |= {name: self.dice_weight * loss for name, loss in decoded.items()}
        return losses

    def _prefix(
        self,
        sequence: MaskSequence,
        image: Tensor,
        requested: Tensor,
        shares: Tensor,
        generators: list[torch.Generator],
    ) -> Prefix:
        if sequence.memory is None:
            return sequence.prefix(image, requested)
        with torch.no_grad():
            copies, is_absent = sequence.memory.draw(shares, generators)
            tokens = [sequence.tokenizer.tokens(copy) for copy in copies]
            tokens = self._corrupted(sequence, tokens, generators)
            earlier = [sequence.tokenizer.codebook[each] for each in tokens]
        return sequence.prefix(image, requested, earlier, is_absent)

    def _corrupted(
        self, sequence: MaskSequence, tokens: list[Tensor], generators: list[torch.Generator]
    ) -> list[Tensor]:
        """Corrupted tokens (N, h, w) of each scale."""
        most = self.corruption
        most = most(self.iteration) if callable(most) else most
        if not most:
            return tokens
        total = sum(each[0].numel() for each in tokens)
        uniform = torch.stack(
            [torch.rand(total + 1, 3, generator=g, device=g.device) for g in generators]
        )
        flat = torch.cat([each.flatten(1) for each in tokens], dim=1)
        flat = corrupted(flat, sequence.tokenizer.codebook, uniform, most)
        parts = flat.split([each[0].numel() for each in tokens], dim=1)
        return [part.view_as(each) for part, each in zip(parts, tokens, strict=True)]

    def _token_loss(
        self,
        sequence: MaskSequence,
        logits: Tensor,
        tokens: list[Tensor],
        maps: list[Tensor],
        num_frames: float | Tensor,
    ) -> Tensor:
        flat = torch.cat([each.flatten(1) for each in tokens], dim=1)
        stride = sequence.tokenizer.stride
        is_pure = torch.cat([pure_patches(each, stride).flatten(1) for each in maps], dim=1)
        targets = soft_targets(
            flat.flatten(),
            sequence.tokenizer.codebook,
            neighbours=self.neighbours,
            temperature=self.neighbour_temperature,
        )
        entropy = F.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
        weights = torch.where(is_pure, self.pure_weight, 1.0)
        entropy = entropy.view_as(weights) * weights
        return divide((entropy.sum(dim=1) / weights.sum(dim=1)).sum(), num_frames)


def draw_moved(moved_share: float, shares: Tensor, generators: list[torch.Generator]) -> Tensor:
    """Class shares (N, K + 1, H, W), of which a random part is moved to wrong places."""
    drawn = [torch.rand(5, generator=g, device=g.device) for g in generators]
    uniform = torch.stack(drawn).to(shares.device)
    is_moved = uniform[:, 4, None, None, None] < moved_share
    return torch.where(is_moved, MOVES(shares, 2 * uniform[:, :4] - 1), shares)


def draw_requests(
    subset_share: float, num_classes: int, generators: list[torch.Generator]
) -> Tensor:
    """(N, K) bool on the CPU: all classes, or for a share of the masks a part of them."""
    rows = []
    for generator in generators:
        draw = torch.rand(num_classes + 2, generator=generator, device=generator.device).cpu()
        requested = draw[2:] < 0.5
        requested[int(draw[1] * num_classes) % num_classes] = True
        rows.append(requested | (draw[0] >= subset_share))
    return torch.stack(rows)


def without_classes(shares: Tensor, removed: Tensor) -> Tensor:
    """Add the shares of removed classes (N, K) to the background of (N, K + 1, H, W)."""
    removed = removed[:, :, None, None].to(shares)
    background = shares[:, :1] + (shares[:, 1:] * removed).sum(dim=1, keepdim=True)
    return torch.cat([background, shares[:, 1:] * (1 - removed)], dim=1)
