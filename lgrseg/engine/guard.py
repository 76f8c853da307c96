"""Stops a run between gradient and update: for numbers that are not finite, or for a signal.

All processes take the same decision. On the CPU it is read before the update. On CUDA reading it
would synchronise at every step. So a flag on the device skips the update, and the decision is read
one step later, before the next update.
"""

import dataclasses
import itertools
from collections.abc import Mapping

import torch
from torch import Tensor

from lgrseg.comm import processes as distributed
from lgrseg.structures import Clip


class NonFiniteError(FloatingPointError):
    """A loss, gradient or weight is infinite or NaN; it is in no checkpoint."""


@dataclasses.dataclass
class StepRecord:
    """Information about a step for error messages."""

    iteration: int
    losses: list[dict[str, Tensor]] = dataclasses.field(default_factory=list)
    """Detached losses of every accumulated batch."""
    clips: list[list[str]] = dataclasses.field(default_factory=list)
    """Clips of every batch, as "video [frame, ...]"."""
    data_seconds: float = 0.0
    """Time spent waiting for batches, in seconds."""

    def add_clips(self, clips: list[Clip]) -> None:
        """Add the clips of a batch before its forward pass."""
        self.clips.append([f"{clip.video_id} {clip.frame_indices.tolist()}" for clip in clips])

    def add_losses(self, losses: dict[str, Tensor]) -> None:
        """Add the losses of a batch after its forward pass."""
        self.losses.append({name: loss.detach() for name, loss in losses.items()})

    def batches(self) -> list[str]:
        """One line per batch: its losses, if they were computed, and its clips."""
        all_losses = [show(losses) for losses in self.losses]
        all_clips = ["; ".join(clips) for clips in self.clips]
        pairs = itertools.zip_longest(all_losses, all_clips, fillvalue="")
        return [f"{losses or 'no loss'}; clips {clips}" for losses, clips in pairs]


class StepGuard:
    """Skips updates that are not finite, and lets all processes stop at the same step."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        device: torch.device,
        deferred: bool | None = None,
    ):
        """With `deferred` a decision is read one step later; by default on CUDA.

        An optimiser that cannot skip an update on the device (not fused) is never deferred.
        """
        can_skip = getattr(optimizer, "_step_supports_amp_scaling", False)
        self.deferred = can_skip and (device.type == "cuda" if deferred is None else deferred)
        self._optimizer = optimizer
        self._flag = {stop: torch.tensor(float(stop), device=device) for stop in (False, True)}
        self._pending: tuple[StepRecord, Tensor, Tensor, torch.cuda.Event | None] | None = None

    def judge(self, step: StepRecord, norm: Tensor, *, stop: bool) -> bool:
        """Decide about the update; call it between gradient and update.

        Args:
            step: record of the step.
            norm: () L2 norm of the complete gradient before clipping.
            stop: True if this process received a stop signal.

        Returns:
            True if any process received a stop signal; all processes stop after this step.

        Raises:
            NonFiniteError: this step's gradient (CUDA: the previous one's) is not finite.
        """
        losses = torch.stack([loss.float() for batch in step.losses for loss in batch.values()])
        finite = torch.isfinite(norm) & torch.isfinite(losses).all()
        flags = torch.stack([1 - finite.float(), self._flag[stop]])
        distributed.all_reduce_sum(flags)
        stop_earlier = self.settle()
        if not self.deferred:
            self._pending = (step, norm, flags, None)
            return self.settle() or stop_earlier
        # With the value 1 the fused kernel does not change weights and state (made for GradScaler).
        found_inf = flags[0].clamp(max=1)
        self._optimizer.found_inf = found_inf  # type: ignore[attr-defined]  # as GradScaler sets it
        self._pending = (step, norm, *_send_to_cpu(flags))
        return stop_earlier

    def settle(self) -> bool:
        """Wait for the last decision; return True if any process received a stop signal.

        Raises:
            NonFiniteError: the last step's gradient is not finite.
        """
        if self._pending is None:
            return False
        step, norm, flags, sent = self._pending
        if sent is not None:
            sent.synchronize()
        self._pending = None
        bad, stop = flags.tolist()
        if bad:
            raise NonFiniteError(_message(step, float(norm)))
        return stop > 0


def _send_to_cpu(flags: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Copy to the CPU without waiting; the copy is complete after the returned event."""
    if flags.device.type != "cuda":
        return flags, None
    copy = torch.empty(flags.shape, dtype=flags.dtype, pin_memory=True)
    copy.copy_(flags, non_blocking=True)
    sent = torch.cuda.Event()
    sent.record()
    return copy, sent


def _message(step: StepRecord, norm: float) -> str:
    lines = [f"not finite at iteration {step.iteration}: the gradient's norm is {norm}"]
    for rank, batches in enumerate(distributed.all_gather_object(step.batches())):
        who = f"process {rank}: " if distributed.get_world_size() > 1 else ""
        lines += [f"  {who}{batch}" for batch in batches]
    return "\n".join([*lines, _ADVICE])


_ADVICE = (
    "The weights were not changed, and every checkpoint is from before. Look at these clips; "
    "a lower optimizer.lr, a longer warm-up or train.clip_norm often helps"
)


def diverged_in_the_model(
    step: StepRecord, error: FloatingPointError, before: Mapping[str, float | Tensor]
) -> NonFiniteError:
    """Make the error for numbers that are not finite inside the model, before any loss.

    It describes only this process, because the others may not have this error.

    Args:
        step: record of the step; its last batch was in the model.
        error: error that the model raised.
        before: metrics of the previous step; empty in the first step.
    """
    lines = [f"not finite at iteration {step.iteration}: {error}"]
    lines += [f"  {batch}" for batch in step.batches()]
    if losses := {name: value for name, value in before.items() if name.startswith("loss")}:
        lines.append(f"  the step before: {show(losses)}")
    return NonFiniteError("\n".join([*lines, _ADVICE]))


def show(losses: Mapping[str, float | Tensor]) -> str:
    """Format losses in one line."""
    return ", ".join(f"{name} {float(loss):.6g}" for name, loss in losses.items())
