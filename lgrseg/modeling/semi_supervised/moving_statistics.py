"""Moving mean and deviation of tokens over videos, views and processes.

Letters: V views, B videos, N tokens of one type, D width.
"""

import torch
from torch import Tensor, nn

from lgrseg.comm import processes as distributed
from lgrseg.layers.numerics import at_least_float32

SMALLEST_DEVIATION = 1e-4


class MovingStatistics(nn.Module):
    """Mean and deviation of each entry of each token over about the last `num_videos` videos.

    `see` remembers the values of a step, and `update` moves the statistics after the step. So all
    batches of a step use the same statistics, whatever their number and that of the processes.
    Until the first update, the mean is 0 and the deviation is 1. The first update replaces both,
    and the next ones average over all videos so far, until these are `num_videos`.
    """

    mean: Tensor
    mean_square: Tensor
    num_seen: Tensor

    def __init__(self, *, num_tokens: int, dim: int, num_videos: int):
        """Set up buffers, which are part of the checkpoint.

        Args:
            num_tokens: number N of tokens.
            dim: width D of a token.
            num_videos: number of videos over which is averaged.

        Raises:
            ValueError: `num_videos` is below 1.
        """
        super().__init__()
        if num_videos < 1:
            raise ValueError(f"num_videos must be 1 or more, not {num_videos}")
        self.num_videos = num_videos
        self.register_buffer("mean", torch.zeros(num_tokens, dim))
        self.register_buffer("mean_square", torch.ones(num_tokens, dim))
        self.register_buffer("num_seen", torch.zeros((), dtype=torch.int64))
        self._values: list[Tensor] = []

    @property
    def deviation(self) -> Tensor:
        """(N, D) standard deviations, at least `SMALLEST_DEVIATION`."""
        return (self.mean_square - self.mean**2).clamp(min=SMALLEST_DEVIATION**2).sqrt()

    def whiten(self, tokens: Tensor) -> Tensor:
        """Subtract the mean from tokens (V, B, N, D), and divide by the deviation.

        Raises:
            ValueError: there are other numbers of tokens or of values than `num_tokens` and `dim`.
        """
        if tokens.shape[-2:] != self.mean.shape:
            raise ValueError(
                f"the student's tokens have the shape {tuple(tokens.shape[-2:])} (number, "
                f"width), not {tuple(self.mean.shape)}: set model.objective.dim and "
                "model.objective.num_frame_queries to those of its encoder"
            )
        return (at_least_float32(tokens) - self.mean) / self.deviation

    def see(self, tokens: Tensor) -> None:
        """Remember tokens (V, B, N, D) for the next update."""
        self._values.append(at_least_float32(tokens.detach()))

    @torch.no_grad()
    def update(self) -> None:
        """Move the statistics to those of all tokens since the last update, in all processes."""
        if not self._values:
            return
        sums = torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        for tokens in self._values:
            sums[0].add_(tokens.sum(dim=(0, 1)))
            sums[1].add_((tokens**2).sum(dim=(0, 1)))
        num_values = sum(len(tokens) * tokens.shape[1] for tokens in self._values)
        num_videos = sum(tokens.shape[1] for tokens in self._values)
        self._values.clear()
        counts = self.mean.new_tensor([num_values, num_videos])
        summed = distributed.all_reduce_sum(torch.cat([torch.stack(sums).flatten(), counts]))
        values, videos = summed[-2], summed[-1]
        self.num_seen += videos.long()
        share = (videos / self.num_seen.clamp(max=self.num_videos)).clamp(max=1)
        mean, mean_square = (summed[:-2] / values).view(2, *self.mean.shape)
        self.mean.lerp_(mean, share)
        self.mean_square.lerp_(mean_square, share)
