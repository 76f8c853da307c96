"""Output of a run: metrics.jsonl, TensorBoard and progress bar."""

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lgrseg.comm import processes as distributed
from lgrseg.engine.hook_base import HookBase, HookedTrainer
from lgrseg.engine.logs import progress

if TYPE_CHECKING:  # takes seconds to import
    from torch.utils.tensorboard import SummaryWriter

logger = logging.getLogger("lgrseg")


class MetricsWriter(HookBase):
    """Writes means over `period` steps to metrics.jsonl, TensorBoard and the log."""

    def __init__(self, *, period: int):
        """`period` in steps."""
        self.period = period
        self._tensorboard: SummaryWriter | None = None

    def before_train(self) -> None:
        """Delete lines of an earlier process about steps that are repeated now."""
        trainer = self.trainer
        self._sums: dict[str, float | torch.Tensor] = {}
        self._counts: dict[str, int] = {}
        self._measured_from = (time.perf_counter(), trainer.iteration)
        if distributed.is_main_process():
            forget_metrics_after(trainer.output_dir, trainer.iteration)
            from torch.utils.tensorboard import SummaryWriter

            self._tensorboard = SummaryWriter(
                str(trainer.output_dir / "tensorboard"), purge_step=trainer.iteration + 1
            )
            trainer.tensorboard = self._tensorboard

    def after_step(self) -> None:
        """Add the metrics of the step, and write if it is due."""
        trainer = self.trainer
        for name, value in trainer.metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        if trainer.iteration % self.period == 0 or trainer.iteration == trainer.max_iter:
            self._write()

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self._tensorboard is not None:
            self._tensorboard.close()
            self._tensorboard = self.trainer.tensorboard = None

    def _write(self) -> None:
        trainer = self.trainer
        # The mean over steps that have this loss: some losses start in the middle of a run.
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        means = mean_losses_over_processes(means)
        self._sums, self._counts = {}, {}
        begin, first = self._measured_from
        # The rate includes evaluations and checkpoints, like the remaining time.
        rate = (time.perf_counter() - begin) / (trainer.iteration - first)
        left = rate * (trainer.max_iter - trainer.iteration)
        rates = {"lr": top_rate(trainer)}
        memory = peak_memory_mib(trainer.device)
        write_metrics(
            trainer, means | rates | {"peak_memory_mib": memory, "eta_seconds": round(left)}
        )
        losses = [f"{n} {v:.4g}" for n, v in sorted(means.items()) if n.startswith("loss")]
        progress.info(
            "iteration %d/%d, left %s, %.3f s/step (data %.3f), lr %.2e, %s, |grad| %.3g, %d MiB",
            trainer.iteration,
            trainer.max_iter,
            clock(left),
            means["step_seconds"],
            means["data_seconds"],
            rates["lr"],
            ", ".join(losses),
            means["grad_norm"],
            memory,
        )


class ProgressBar(HookBase):
    """Shows a progress bar with loss and memory if stderr is a terminal."""

    _bar = None

    def before_train(self) -> None:
        """Show the bar."""
        if distributed.show_bars():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self.trainer.max_iter, initial=self.trainer.iteration, unit="step"
            )

    def after_step(self) -> None:
        """Update the bar; the loss is read only every ten steps, because this synchronises CUDA."""
        if self._bar is None:
            return
        self._bar.update()
        if self.trainer.iteration % 10 == 0:
            loss = float(self.trainer.metrics["loss"])
            memory = peak_memory_mib(self.trainer.device)
            rate = top_rate(self.trainer)
            self._bar.set_postfix_str(f"loss {loss:.4g}, lr {rate:.1e}, {memory} MiB")

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def top_rate(trainer: HookedTrainer) -> float:
    """The largest learning rate of the last step (not the backbone's)."""
    return max(group["lr"] for group in trainer.optimizer.param_groups)


def write_metrics(trainer: HookedTrainer, values: Mapping[str, float | None]) -> None:
    """One line in metrics.jsonl and the same scalars in TensorBoard; the main process only."""
    if not distributed.is_main_process():
        return
    step = {"iteration": trainer.iteration, "train_seconds": round(trainer.train_seconds, 3)}
    with open(trainer.output_dir / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({**step, **values}) + "\n")
    for name, value in values.items():
        if value is not None and trainer.tensorboard is not None:
            trainer.tensorboard.add_scalar(name, value, trainer.iteration)


def read_metrics(run: Path) -> list[dict]:
    """Read the complete lines of a run's metrics.jsonl; empty if the file does not exist.

    Incomplete lines (the process was killed while writing) are left out with a warning.
    """
    file = run / "metrics.jsonl"
    lines, num_damaged = [], 0
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    for line in filter(str.strip, text.splitlines()):
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            values = None
        if isinstance(values, dict) and "iteration" in values:
            lines.append(values)
        else:
            num_damaged += 1
    if num_damaged:
        logger.warning("%s: %d lines are damaged and left out", file, num_damaged)
    return lines


def forget_metrics_after(run: Path, iteration: int) -> None:
    """Drop the lines of later steps, which a resumed run writes again."""
    file = run / "metrics.jsonl"
    if not file.is_file():
        return
    lines = [line for line in read_metrics(run) if line["iteration"] <= iteration]
    half_done = run / ".metrics.jsonl.part"
    half_done.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    os.replace(half_done, file)


def mean_losses_over_processes(means: dict[str, float]) -> dict[str, float]:
    """Average the losses over processes; times and norms are the same in all of them."""
    if distributed.get_world_size() == 1:
        return means
    gathered = distributed.all_gather_object(means)
    losses = [name for name in means if name.startswith(("loss", "aux_loss"))]
    return means | {name: sum(m[name] for m in gathered) / len(gathered) for name in losses}


def peak_memory_mib(device: torch.device) -> int:
    """Peak memory so far in MiB: of torch on the GPU, or of this process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    if os.path.isfile("/proc/self/status"):  # ru_maxrss would include that of the parent
        with open("/proc/self/status", encoding="utf-8") as lines:
            kib = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        if kib:
            return round(kib[0] / 2**10)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB; on macOS bytes
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
