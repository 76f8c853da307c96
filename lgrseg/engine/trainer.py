"""DefaultTrainer: trains the model of a config, and resumes stopped runs.

The names are detectron2's (DefaultTrainer, HookBase, resume_or_load). The training step is in
train_loop.py, checkpoints in resumable.py, and actions between steps in hooks.py.
"""

import dataclasses
import logging
from typing import TYPE_CHECKING

import torch
from omegaconf import DictConfig
from torch import nn
from torch.utils.data import DataLoader

from lgrseg.comm import processes as distributed
from lgrseg.config import as_dict, instantiate
from lgrseg.data.catalog import classes_by_dataset
from lgrseg.data.described import describe_datasets
from lgrseg.data.train_loader import TrainLoader
from lgrseg.engine.config_check import check_parts, check_test_datasets
from lgrseg.engine.finite import check_settings
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import (
    AverageWeights,
    EvalHook,
    LRScheduler,
    PeriodicCheckpointer,
    Teaching,
    WatchCollapse,
)
from lgrseg.engine.overlays import ExampleOverlays
from lgrseg.engine.pictures import ModelPictures
from lgrseg.engine.probing import ProbeEncoder, ProbeImages
from lgrseg.engine.random_numbers import seed_everything, use_deterministic_algorithms
from lgrseg.engine.resumable import ResumableTrainer
from lgrseg.engine.run_folder import config_changes, write_config, write_labels
from lgrseg.engine.run_record import hashes_of_weights, record_command
from lgrseg.engine.settings import TrainSettings
from lgrseg.engine.stopping import StopOnSignal, StoppableLoader
from lgrseg.engine.test_sets import name_tests_by_dataset
from lgrseg.engine.writers import MetricsWriter, ProgressBar
from lgrseg.evaluation.evaluator import inference_on_dataset
from lgrseg.evaluation.paired_images import PairedImages
from lgrseg.evaluation.results import write_results
from lgrseg.layers import speed
from lgrseg.layers.complexity import trained_share
from lgrseg.modeling.agreement import check_classes
from lgrseg.modeling.building import build_model
from lgrseg.modeling.contracts import ClipModel

if TYPE_CHECKING:  # takes seconds to import
    from torch.utils.tensorboard import SummaryWriter

logger = logging.getLogger("lgrseg")


class DefaultTrainer(ResumableTrainer):
    """Builds the model of a config, trains it and evaluates it.

        trainer = DefaultTrainer(cfg)
        trainer.resume_or_load(resume=False)
        trainer.train()

    To change its behaviour, override a `build_*` method or `run_step`, or write a hook.
    """

    loader: TrainLoader | None

    def __init__(self, cfg: DictConfig):
        """Join the other processes and build model, optimiser and hooks; nothing is written."""
        check_parts(cfg)
        check_settings(cfg)
        cfg = name_tests_by_dataset(cfg)
        settings = TrainSettings.parse(as_dict(cfg.train, resolve=True))
        cfg = describe_datasets(cfg)
        cfg.train = {**dataclasses.asdict(settings), **cfg.train}  # defaults are saved too
        device = distributed.pick_device(settings.device)
        distributed.init_from_env(device)
        if settings.num_threads:
            torch.set_num_threads(settings.num_threads)
        check_test_datasets(
            cfg, build_loader=self.build_test_loader, build_evaluator=self.build_evaluator
        )
        seed_everything(settings.seed)
        if settings.deterministic:
            use_deterministic_algorithms()
        model = self.build_model(cfg).to(device)
        speed.channels_last(model)
        if model.predicts_masks or model.num_classes:  # others learn from folders of images, too
            check_classes(model, classes_by_dataset(cfg.dataloader))
        if device.type == "cpu":
            speed.hold_on_to_memory()
        if settings.recompute_activations:
            if not speed.recompute_activations(model):
                raise ValueError(
                    "train.recompute_activations=true would have no effect: no block of this model "
                    "can be recomputed (those of vision transformers, PVT and LGRNet can); leave "
                    "it out"
                )
        if settings.compile:
            speed.compile_parts(model)
        super().__init__(
            model=model,
            optimizer=self.build_optimizer(cfg, model),
            device=device,
            settings=settings,
        )
        self.cfg = cfg
        self.tensorboard: SummaryWriter | None = None
        self.results: dict[str, dict] = {}
        """Results of the last call of `test`."""
        self.register_hooks(self.build_hooks())

    @classmethod
    def build_model(cls, cfg: DictConfig) -> ClipModel:
        """Build the model; its parts load their pretrained weights.

        Raises:
            TypeError: the config describes something else than a `ClipModel`.
        """
        return build_model(cfg)

    @classmethod
    def build_optimizer(cls, cfg: DictConfig, model: nn.Module) -> torch.optim.Optimizer:
        """Build the optimiser of a model that is on its device."""
        return instantiate(cfg.optimizer)(model)

    @classmethod
    def build_train_loader(cls, cfg: DictConfig) -> TrainLoader:
        """Build the loader of endless batches, a function of `train.seed` and their number."""
        return instantiate(cfg.dataloader.train, seed=cfg.train.seed)

    @classmethod
    def build_test_loader(cls, cfg: DictConfig, name: str) -> DataLoader:
        """Build the loader of a test dataset; the processes share the clips."""
        return instantiate(cfg.dataloader.test[name])

    @classmethod
    def build_evaluator(cls, cfg: DictConfig, name: str):
        """Build the evaluator of a test dataset."""
        return instantiate(cfg.evaluator)(dataset=name)

    def build_hooks(self) -> list[HookBase]:
        """Build the hooks, in the order in which they are called.

        Checkpoints come before evaluations, so that little is lost if an evaluation is interrupted.
        """
        s = self.settings
        return [
            LRScheduler(instantiate(self.cfg.schedule)),
            *self._teaching_hooks(),
            *([AverageWeights()] if self.average else []),
            MetricsWriter(period=s.log_period),
            ModelPictures(period=s.eval_period),
            *self._probing_hooks(),
            ProgressBar(),
            PeriodicCheckpointer(period=s.checkpoint_period, keep=s.keep_checkpoints),
            StopOnSignal(),
            EvalHook(period=s.eval_period),
            *self._drawing_hooks(),
        ]

    def _probing_hooks(self) -> list[HookBase]:
        if not self.cfg.get("probe"):
            return []
        probe, period = instantiate(self.cfg.probe), self.settings.eval_period
        if isinstance(probe, PairedImages):
            return [ProbeImages(probe=probe, period=period)]
        return [ProbeEncoder(probe=probe, period=period)]

    def _drawing_hooks(self) -> list[HookBase]:
        count, period = self.settings.example_overlays, self.settings.eval_period
        return [ExampleOverlays(period=period, count=count)] if count else []

    def _teaching_hooks(self) -> list[HookBase]:
        if not self.model.follows_updates:
            return []
        return [Teaching(), WatchCollapse(period=self.settings.log_period)]

    @property
    def followed(self) -> str | None:
        """The first test dataset."""
        return next(iter(self.cfg.dataloader.test), None)

    def build_data(self) -> TrainLoader:
        """Build the training loader if it is not built yet, and return it; nothing is written.

        Raises:
            FileNotFoundError, KeyError, ValueError: a dataset for training is missing.
        """
        if self.loader is None:
            self.loader = self.build_train_loader(self.cfg)
        return self.loader

    def _build_tests(self, names) -> dict[str, tuple]:
        """Build loader and evaluator of all test datasets before the first is used."""
        return {
            name: (self.build_test_loader(self.cfg, name), self.build_evaluator(self.cfg, name))
            for name in names
        }

    def train(self) -> None:
        """Train from the present iteration to `train.max_iter`, and evaluate.

        Raises:
            RunFolderError: another process writes into the run's folder.
            StopRequested: the process received SIGTERM or Ctrl-C; the run is saved.
            NonFiniteError: a loss or gradient is not finite; the weights are those before it.
        """
        loader = self.build_data()
        with self.lock:
            if distributed.is_main_process():
                self._write_settings()
            trained, everything = trained_share(self.model)
            logger.info(
                "%d clips to train on, %.3g iterations per epoch, %d x %s; %s of %s parameters "
                "are trained",
                len(loader.dataset),
                loader.iterations_per_epoch / self.accumulate,
                distributed.get_world_size(),
                self.device,
                f"{trained:,}",
                f"{everything:,}",
            )
            super().train()

    def _write_settings(self) -> None:
        try:
            changes = config_changes(self.cfg, self.output_dir)
        except ValueError as error:
            changes = []
            logger.warning("%s; a new one is written", error)
        for change in changes:
            logger.info("config changed, %s", change)
        write_config(self.cfg, self.output_dir)
        self.record_command("resume" if self.iteration else "train")
        if protocol := getattr(self.loader, "protocol", None):
            write_labels(protocol.summary(), self.output_dir)

    def record_command(self, task: str) -> None:
        """Write into run.json what this process does: "train", "resume" or "evaluate"."""
        _, num_parameters = trained_share(self.model)
        record_command(
            self.output_dir,
            task,
            device=str(self.device),
            num_parameters=num_parameters,
            started_from=hashes_of_weights(self.cfg),
        )

    def test(
        self, names: list[str] | None = None, *, interruptible: bool = False
    ) -> dict[str, dict]:
        """Evaluate on test datasets, and return their results by name.

        Args:
            names: keys of `dataloader.test`; None for all.
            interruptible: True if a signal may interrupt the evaluation.

        Raises:
            EvaluationInterruptedError: a signal interrupted it.
        """
        self.results = {}
        tests = self._build_tests(names or self.cfg.dataloader.test)
        with self.evaluated_weights():
            for name, (loader, evaluator) in tests.items():
                watched = StoppableLoader(loader, self) if interruptible else loader
                self.results[name] = inference_on_dataset(self.model, watched, evaluator)
                if distributed.is_main_process():
                    write_results(self.results[name], self.output_dir / "eval" / name)
        return self.results
