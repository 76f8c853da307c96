"""The training loop. What happens in a step is here; what happens now and then is in hooks.py.

Randomness is a function of (seed, iteration): before every step torch's generators are seeded from
both, and the loader's samples depend on (seed, position). So a resumed run needs no random state.
"""

import contextlib
import logging
import random
import signal
import time
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lgrseg.config import instantiate, save_config
from lgrseg.engine import distributed
from lgrseg.engine.checkpoint import (
    CheckpointError,
    load_weights,
    read_state,
    save_checkpoint,
)
from lgrseg.engine.ema import WeightAverage
from lgrseg.engine.hooks import Checkpointer, Evaluation, HookBase, MetricsWriter

logger = logging.getLogger("lgrseg")


class StopRequested(Exception):
    """The process was asked to end (SIGTERM); the run has been saved."""


class DefaultTrainer:
    """Builds everything that a config describes, and trains it.

    For anything it does not do, subclass it and override a `build_*` method or `run_step`, or write
    a hook.
    """

    def __init__(self, cfg: DictConfig):
        """Build model, optimiser, schedule, loader and hooks; nothing is written yet."""
        self.cfg = cfg
        self.settings = cfg.train
        self.output_dir = Path(cfg.train.output_dir)
        self.max_iter = cfg.train.max_iter
        self.device = pick_device(cfg.train.device)
        distributed.init_from_env(self.device)
        if cfg.train.num_threads:
            torch.set_num_threads(cfg.train.num_threads)
        _seed(cfg.train.seed)
        self.model = self.build_model()
        self.optimizer = instantiate(cfg.optimizer)(self.model)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.schedule = instantiate(cfg.schedule)
        decay = cfg.train.ema_decay
        self.average = WeightAverage(self.model, decay=decay) if decay else None
        self.wrapped = self._wrap(self.model)
        self.iteration = 0
        self.train_seconds = 0.0
        self.best_score: float | None = None
        self.stop_signal = False
        self.metrics: dict[str, float] = {}
        self.hooks: list[HookBase] = []

    def build_model(self) -> nn.Module:
        """The model on its device, from `train.init_weights` where that is set."""
        model = instantiate(self.cfg.model).to(self.device)
        if self.settings.init_weights:
            load_weights(model, self.settings.init_weights)
        return model

    def build_hooks(self) -> list[HookBase]:
        """What happens now and then, in this order."""
        return [Evaluation(), Checkpointer(), MetricsWriter()]

    def _wrap(self, model: nn.Module) -> nn.Module:
        if distributed.get_world_size() == 1:
            return model
        return DistributedDataParallel(model)

    def train(self) -> None:
        """Train from the current iteration to `train.max_iter`.

        Raises:
            StopRequested: SIGTERM came; the run is saved.
            FloatingPointError: a loss or gradient is not finite; the weights are as before it.
        """
        self._open_run_folder()
        loader = instantiate(self.cfg.dataloader.train, seed=self.settings.seed)
        logger.info(
            "%d clips to train on, %.1f iterations an epoch, on %s",
            len(loader.dataset),
            loader.iterations_per_epoch,
            self.device,
        )
        loader.set_start(self.iteration * self.settings.accumulate)
        self.batches = iter(loader)
        self.hooks = self.build_hooks()
        self.model.train()
        with _watch_sigterm(self):
            self._each_hook("before_train")
            while self.iteration < self.max_iter:
                self._each_hook("before_step")
                self.run_step()
                self.iteration += 1
                self._each_hook("after_step")
                if self.stop_signal:
                    self.save("last")
                    raise StopRequested
            self._each_hook("after_train")

    def run_step(self) -> None:
        """One optimiser step."""
        begin = time.perf_counter()
        factor = self.schedule(self.iteration)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        torch.manual_seed(_step_seed(self.settings.seed, self.iteration, distributed.get_rank()))
        waited, totals, clips = 0.0, {}, []
        for _ in range(self.settings.accumulate):
            before = time.perf_counter()
            batch_clips, batch_targets = next(self.batches)
            waited += time.perf_counter() - before
            losses = self._forward(batch_clips, batch_targets)
            (sum(losses.values()) / self.settings.accumulate).backward()
            clips += [clip.video_id for clip in batch_clips]
            for name, loss in losses.items():
                totals[name] = totals.get(name, 0) + loss.detach() / self.settings.accumulate
        norm = nn.utils.clip_grad_norm_(
            self.model.parameters(), self.settings.clip_norm or float("inf")
        )
        totals = {name: float(loss) for name, loss in totals.items()}
        self._stop_if_not_finite(totals, float(norm), clips)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update(self.model)
        seconds = time.perf_counter() - begin
        self.train_seconds += seconds
        self.metrics = totals | {
            "loss": sum(totals.values()),
            "grad_norm": float(norm),
            "lr": self.base_rates[-1] * factor,
            "step_seconds": seconds,
            "data_seconds": waited,
        }

    def _forward(self, clips: list, targets: list) -> dict[str, torch.Tensor]:
        clips = [clip.to(self.device) for clip in clips]
        targets = [target.to(self.device) for target in targets]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bool(self.settings.amp)):
            return self.wrapped(clips, targets)

    def _stop_if_not_finite(self, losses: dict[str, float], norm: float, clips: list[str]) -> None:
        if np.isfinite(norm) and np.isfinite(list(losses.values())).all():
            return
        self.optimizer.zero_grad(set_to_none=True)
        raise FloatingPointError(
            f"not finite at iteration {self.iteration}: gradient norm {norm}, losses {losses}, "
            f"clips {clips}. The weights were not changed; the last checkpoint in "
            f"{self.output_dir / 'checkpoints'} is from before. A lower learning rate usually helps."
        )

    def _each_hook(self, moment: str) -> None:
        for hook in self.hooks:
            hook.trainer = self
            getattr(hook, moment)()

    # -- saving and going on ------------------------------------------------------------------

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.output_dir / "checkpoints"

    def save(self, name: str, *, with_state: bool = True) -> None:
        """Write a checkpoint; the weights are the averaged ones where averaging is on."""
        if not distributed.is_main_process():
            return
        weights = self.average.weights if self.average else self.model.state_dict()
        save_checkpoint(self.checkpoints, name, weights, self.state() if with_state else None)

    def state(self) -> dict:
        """All that a run needs to go on, besides its config."""
        return {
            "iteration": self.iteration,
            "train_seconds": self.train_seconds,
            "best_score": self.best_score,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
        }

    def resume_or_load(self, *, resume: bool) -> None:
        """Go on from checkpoints/last where `resume` is set and there is one; else start anew.

        Raises:
            CheckpointError: the run folder holds a run and `resume` is not set, or its checkpoint
                does not fit this config.
        """
        file = self.checkpoints / "last.state.pt"
        if not resume and file.is_file():
            raise CheckpointError(
                f"{self.output_dir} holds a run already: add --resume to go on with it, or choose "
                "another train.output_dir"
            )
        if not file.is_file():
            return
        state = read_state(file)
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average and state["average"]:
                self.average.load_state_dict(state["average"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(
                f"{file} was written by another config than this one: {reason}"
            ) from error
        self.iteration = state["iteration"]
        self.train_seconds = state["train_seconds"]
        self.best_score = state["best_score"]
        logger.info("going on from iteration %d of %s", self.iteration, file)

    def _open_run_folder(self) -> None:
        if distributed.is_main_process():
            self.output_dir.mkdir(parents=True, exist_ok=True)
            save_config(self.cfg, self.output_dir / "config.yaml")
        distributed.barrier()

    # -- evaluating ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def evaluated_weights(self):
        """Inside, the model has the averaged weights, where averaging is on."""
        if self.average is None:
            yield
            return
        own = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.weights)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def test(self, names: list[str] | None = None) -> dict[str, dict]:
        """Evaluate on the test datasets (all, or those named): name -> results."""
        from lgrseg.evaluation import inference_on_dataset
        from lgrseg.evaluation.evaluator import write_results

        results = {}
        with self.evaluated_weights():
            for name in names or self.cfg.dataloader.test:
                evaluator = instantiate(self.cfg.evaluator)(dataset=name)
                loader = instantiate(self.cfg.dataloader.test[name])
                results[name] = inference_on_dataset(self.model, loader, evaluator)
                if distributed.is_main_process():
                    write_results(results[name], self.output_dir / "eval" / name)
        return results


def pick_device(name: str) -> torch.device:
    """"auto", "cpu" or "cuda" -> the device of this process.

    Raises:
        ValueError: CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("train.device=cuda, but torch sees no CUDA device; use auto or cpu")
        device = torch.device("cuda", distributed.get_local_rank())
        torch.cuda.set_device(device)
        return device
    return torch.device(name)


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _step_seed(seed: int, iteration: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, iteration, rank]).generate_state(1, np.uint64)[0])


@contextlib.contextmanager
def _watch_sigterm(trainer: DefaultTrainer):
    def ask_to_stop(*_):
        trainer.stop_signal = True

    try:
        before = signal.signal(signal.SIGTERM, ask_to_stop)
    except ValueError:  # not the main thread: nobody sends it signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
