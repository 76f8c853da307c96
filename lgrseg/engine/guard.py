"""What may stop a run between the gradient and the update: numbers that are not finite, a signal.

The decision is one of all processes. On the CPU it is read before the update. On CUDA reading it
would make the CPU wait for the GPU at every step, so the update is told on the device to leave the
weights alone, and the decision is read one step later, before the next update.
"""

import dataclasses
import itertools
from collections.abc import Mapping

import torch
from torch import Tensor

from lgrseg.comm import processes as distributed
from lgrseg.structures import Clip


class NonFiniteError(FloatingPointError):
    """A loss, gradient or weight is infinite or no number; no checkpoint has it."""


@dataclasses.dataclass
class StepRecord:
    """What an error message must know of a step."""

    iteration: int
    losses: list[dict[str, Tensor]] = dataclasses.field(default_factory=list)
    """Of every batch that was accumulated, detached."""
    clips: list[list[str]] = dataclasses.field(default_factory=list)
    """Of every batch, as "video [frame, ...]"."""
    data_seconds: float = 0.0
    """Spent waiting for the batches."""

    def add_clips(self, clips: list[Clip]) -> None:
        """A batch goes forward."""
        self.clips.append([f"{clip.video_id} {clip.frame_indices.tolist()}" for clip in clips])

    def add_losses(self, losses: dict[str, Tensor]) -> None:
        """It came out."""
        self.losses.append({name: loss.detach() for name, loss in losses.items()})

    def batches(self) -> list[str]:
        """A line for every batch: its losses, as far as they are known, and its clips."""
        pairs = itertools.zip_longest(self.losses, self.clips, fillvalue={})
        return [f"{show(losses) or 'no loss'}; clips {'; '.join(clips)}" for losses, clips in pairs]


class StepGuard:
    """Keeps what is not finite away from the weights, and lets all processes stop at one step."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        device: torch.device,
        deferred: bool | None = None,
    ):
        """`deferred` reads a decision one step later; by default on CUDA.

        An optimiser that cannot skip an update on the device (one that is not fused) is waited for.
        """
        can_skip = getattr(optimizer, "_step_supports_amp_scaling", False)
        self.deferred = can_skip and (device.type == "cuda" if deferred is None else deferred)
        self._optimizer = optimizer
        self._flag = {stop: torch.tensor(float(stop), device=device) for stop in (False, True)}
        self._pending: tuple[StepRecord, Tensor, Tensor, torch.cuda.Event | None] | None = None

    def judge(self, step: StepRecord, norm: Tensor, *, stop: bool) -> bool:
        """Call between the gradient and the update.

        Args:
            step: what was done.
            norm: () L2 norm of the whole gradient, before clipping.
            stop: this process was asked to stop.

        Returns:
            Whether some process was asked to stop, so that all do after this step.

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
        # The fused kernel leaves weights and state alone where this is 1 (made for GradScaler).
        self._optimizer.found_inf = flags[0].clamp(max=1)
        self._pending = (step, norm, *_send_to_cpu(flags))
        return stop_earlier

    def settle(self) -> bool:
        """Wait for the last decision; whether some process was asked to stop.

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
    """A copy that is complete when the event has happened; nothing waits here."""
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
    "The weights were not changed, and the last checkpoint is from before. Look at these clips; "
    "a lower optimizer.lr, a longer warm-up or train.clip_norm often helps"
)


def diverged_in_the_model(
    step: StepRecord, error: FloatingPointError, before: Mapping[str, float | Tensor]
) -> NonFiniteError:
    """What to raise where the model itself met numbers that are not finite, before any loss.

    Other processes know nothing of it, so none is asked.

    Args:
        step: its last batch was in the model.
        error: of the model.
        before: metrics of the step before; none in the first one.
    """
    lines = [f"not finite at iteration {step.iteration}: {error}"]
    lines += [f"  {batch}" for batch in step.batches()]
    if losses := {name: value for name, value in before.items() if name.startswith("loss")}:
        lines.append(f"  the step before: {show(losses)}")
    return NonFiniteError("\n".join([*lines, _ADVICE]))


def show(losses: Mapping[str, float | Tensor]) -> str:
    """Losses in a line."""
    return ", ".join(f"{name} {float(loss):.6g}" for name, loss in losses.items())
