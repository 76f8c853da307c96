"""DefaultTrainer: from a config to a trained model, and on from where a run was stopped.

The names are detectron2's (DefaultTrainer, HookBase, resume_or_load); what a step is stands in
train_loop.py, what happens between steps in hooks.py.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from lgrseg.config import instantiate, save_config
from lgrseg.data.catalog import classes_by_dataset
from lgrseg.engine import distributed, speed
from lgrseg.engine.checkpoint import (
    CheckpointError,
    load_weights,
    read_newest_state,
    read_state,
    save_checkpoint,
    state_path,
    weights_path,
)
from lgrseg.engine.ema import WeightAverage
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import (
    AverageWeights,
    Checkpointer,
    Evaluation,
    EvaluationInterruptedError,
    LearningRate,
    StopOnSignal,
    Teaching,
    WatchCollapse,
)
from lgrseg.engine.overlays import ExampleOverlays
from lgrseg.engine.run_folder import config_changes, write_labels
from lgrseg.engine.settings import TrainSettings
from lgrseg.engine.train_loop import (
    SimpleTrainer,
    seed_everything,
    use_deterministic_algorithms,
)
from lgrseg.engine.workers import batches_of, deaf_to_children
from lgrseg.engine.writers import MetricsWriter, ProgressBar
from lgrseg.modeling.agreement import check_classes
from lgrseg.modeling.complexity import trained_share

logger = logging.getLogger("lgrseg")


class DefaultTrainer(SimpleTrainer):
    """Builds what a config describes, trains it, evaluates it.

        trainer = DefaultTrainer(cfg)
        trainer.resume_or_load(resume=False)
        trainer.train()

    For anything it does not do, override a `build_*` method or `run_step`, or write a hook.
    """

    def __init__(self, cfg: DictConfig):
        """Join the other processes, build model, optimiser and hooks; nothing is written yet."""
        settings = TrainSettings.parse(OmegaConf.to_container(cfg.train, resolve=True))
        device = distributed.pick_device(settings.device)
        distributed.init_from_env(device)
        if settings.num_threads:
            torch.set_num_threads(settings.num_threads)
        seed_everything(settings.seed)
        if settings.deterministic:
            use_deterministic_algorithms()
        model = speed.channels_last(self.build_model(cfg).to(device))
        check_classes(model, classes_by_dataset(cfg.dataloader))
        if device.type == "cpu":
            speed.hold_on_to_memory()
        if settings.recompute_activations:
            speed.recompute_activations(model)
        if settings.compile:
            speed.compile_parts(model)
        super().__init__(
            model=model,
            optimizer=self.build_optimizer(cfg, model),
            device=device,
            max_iter=settings.max_iter,
            seed=settings.seed,
            accumulate=settings.accumulate,
            clip_norm=settings.clip_norm,
            amp=settings.amp,
            find_unused_parameters=settings.find_unused_parameters,
        )
        self.cfg, self.settings = cfg, settings
        self.output_dir = Path(settings.output_dir)
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        decay = settings.ema_decay
        self.average = WeightAverage(model, decay=decay) if decay else None
        self.best_score: float | None = None
        self.train_seconds = 0.0
        """Seconds in training steps so far, earlier processes included."""
        self.tensorboard = None
        self.results: dict[str, dict] = {}
        """Of the last call of `test`."""
        self.register_hooks(self.build_hooks())

    @classmethod
    def build_model(cls, cfg: DictConfig) -> nn.Module:
        """The model, with the weights that its own components start from."""
        return instantiate(cfg.model)

    @classmethod
    def build_optimizer(cls, cfg: DictConfig, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of a model that is on its device."""
        return instantiate(cfg.optimizer)(model)

    @classmethod
    def build_train_loader(cls, cfg: DictConfig):
        """Endless batches; what they hold depends on `train.seed` and their number alone."""
        return instantiate(cfg.dataloader.train, seed=cfg.train.seed)

    @classmethod
    def build_test_loader(cls, cfg: DictConfig, name: str):
        """The clips of a test dataset, each once over all processes."""
        return instantiate(cfg.dataloader.test[name])

    @classmethod
    def build_evaluator(cls, cfg: DictConfig, name: str):
        """What scores the predictions for a test dataset."""
        return instantiate(cfg.evaluator)(dataset=name)

    def build_hooks(self) -> list[HookBase]:
        """What happens around steps, in this order.

        A checkpoint comes before an evaluation, so that little is lost where that is cut off.
        """
        s = self.settings
        return [
            LearningRate(instantiate(self.cfg.schedule)),
            *self._teaching_hooks(),
            *([AverageWeights()] if self.average else []),
            MetricsWriter(period=s.log_period),
            ProgressBar(),
            Checkpointer(period=s.checkpoint_period, keep=s.keep_checkpoints),
            StopOnSignal(),
            Evaluation(period=s.eval_period),
            *self._drawing_hooks(),
        ]

    def _drawing_hooks(self) -> list[HookBase]:
        count, period = self.settings.example_overlays, self.settings.eval_period
        return [ExampleOverlays(period=period, count=count)] if count else []

    def _teaching_hooks(self) -> list[HookBase]:
        if not hasattr(self.model, "after_update"):
            return []
        watched = hasattr(self.model.objective, "complaint")
        return [Teaching(), *([WatchCollapse(period=self.settings.log_period)] * watched)]

    def train(self) -> None:
        """Train from the present iteration to `train.max_iter`, and evaluate.

        Raises:
            StopRequested: SIGTERM or Ctrl-C came; the run is saved.
            NonFiniteError: a loss or gradient is not finite; the weights are as before it.
        """
        if distributed.is_main_process():
            self.output_dir.mkdir(parents=True, exist_ok=True)
            for change in config_changes(self.cfg, self.output_dir):
                logger.info("config changed, %s", change)
            save_config(self.cfg, self.output_dir / "config.yaml")
        self.loader = self.build_train_loader(self.cfg)
        if distributed.is_main_process() and (protocol := getattr(self.loader, "protocol", None)):
            write_labels(protocol.summary(), self.output_dir)
        trained, everything = trained_share(self.model)
        logger.info(
            "%d clips to train on, %.3g iterations an epoch, %d x %s; %s of %s parameters trained",
            len(self.loader.dataset),
            self.loader.iterations_per_epoch / self.accumulate,
            distributed.get_world_size(),
            self.device,
            f"{trained:,}",
            f"{everything:,}",
        )
        super().train()

    def run_step(self) -> None:
        """One update."""
        super().run_step()
        self.train_seconds += self.metrics["step_seconds"]

    def _next_batches(self) -> list:
        try:
            return super()._next_batches()
        except Exception as error:
            # The weights are whole, and --resume asks for these batches again.
            self.save("last")
            error.add_note(f"saved after iteration {self.iteration}; --resume goes on from there")
            raise

    # -- saving and going on ------------------------------------------------------------------

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.output_dir / "checkpoints"

    def save(self, name: str) -> None:
        """Write a checkpoint; its weights are the averaged ones where averaging is on.

        Raises:
            NonFiniteError: the last step turns out to be not finite; nothing is written.
        """
        if self.guard.settle():
            self.stop_agreed = True
        if not distributed.is_main_process():
            return
        weights = self.average.weights if self.average else self.model.state_dict()
        with deaf_to_children():  # a worker that dies meanwhile is noticed afterwards
            save_checkpoint(self.checkpoints, name, weights, self.state_dict())

    def state_dict(self) -> dict:
        """All that a run needs to go on, besides its config."""
        return {
            "iteration": self.iteration,
            "train_seconds": self.train_seconds,
            "best_score": self.best_score,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`; rates and decays are this config's, not the state's.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another architecture.
        """
        self.model.load_state_dict(state["model"])
        options = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, own in zip(self.optimizer.param_groups, options, strict=True):
            group.update(own)
        if self.average and state["average"]:
            self.average.load_state_dict(state["average"])
        elif self.average:
            self.average.reset()
        self.iteration = state["iteration"]
        self.train_seconds = state["train_seconds"]

    def resume_or_load(self, *, resume: bool) -> None:
        """Go on from the run's last checkpoint; where there is none, from `train.init_weights`.

        Raises:
            CheckpointError: the run folder holds a run and `resume` is not set, or its checkpoint
                does not fit this config.
        """
        if not resume and any(self.checkpoints.glob("*.state.pt")):
            raise CheckpointError(
                f"{self.output_dir} holds a run already: --resume goes on with it, --overwrite "
                "deletes it, train.output_dir=... names another folder"
            )
        newest = read_newest_state(self.checkpoints) if resume else None
        if newest is None:
            if self.settings.init_weights:
                self.load_weights(self.settings.init_weights, strict=False)
            return
        path, state = newest
        try:
            self.load_state_dict(state)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path} was written by another config than this one: {str(error)[:500]}"
            ) from error
        best = state_path(self.checkpoints, "best")
        self.best_score = read_state(best)["best_score"] if best.is_file() else None
        logger.info("going on from iteration %d of %s", self.iteration, path)

    def load_weights(self, path: str | Path, *, strict: bool = True) -> None:
        """Take a model's weights from a file; see `checkpoint.load_weights`."""
        load_weights(self.model, path, strict=strict)
        if self.average:
            self.average.reset()
        logger.info("weights from %s", path)

    def load_for_evaluation(self, *, explicit: bool = False) -> None:
        """Take the weights of the run's last checkpoint, or `train.init_weights`.

        Args:
            explicit: `train.init_weights` was asked for by name, so it goes first.

        Raises:
            FileNotFoundError: there are neither.
        """
        last, given = weights_path(self.checkpoints, "last"), self.settings.init_weights
        if not last.is_file() and not given:
            raise FileNotFoundError(
                f"nothing to evaluate: there is no {last}; train first, or name a file with "
                "train.init_weights=..."
            )
        self.load_weights(given if explicit or not last.is_file() else last)

    # -- evaluating ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def evaluated_weights(self) -> Iterator[None]:
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

    def test(
        self, names: list[str] | None = None, *, interruptible: bool = False
    ) -> dict[str, dict]:
        """Evaluate on the test datasets (all, or those named): name -> what results.json holds.

        Args:
            names: keys of `dataloader.test`.
            interruptible: let a signal end it in the middle.

        Raises:
            EvaluationInterruptedError: a signal did.
        """
        # Evaluation reads the data package, whose loader reads this one: not while that is loading.
        from lgrseg.evaluation.evaluator import inference_on_dataset
        from lgrseg.evaluation.results import write_results

        self.results = {}
        with self.evaluated_weights():
            for name in names or self.cfg.dataloader.test:
                loader = self.build_test_loader(self.cfg, name)
                evaluator = self.build_evaluator(self.cfg, name)
                watched = _Watched(loader, self) if interruptible else loader
                self.results[name] = inference_on_dataset(self.model, watched, evaluator)
                if distributed.is_main_process():
                    write_results(self.results[name], self.output_dir / "eval" / name)
        return self.results


class _Watched:
    """A loader that stops at a signal; alone only, since others would wait for this process."""

    def __init__(self, loader, trainer: DefaultTrainer):
        self.loader, self.trainer = loader, trainer

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        with batches_of(self.loader) as batches:
            for batch in batches:
                if self.trainer.signal is not None and distributed.get_world_size() == 1:
                    raise EvaluationInterruptedError
                yield batch
