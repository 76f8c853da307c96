"""A trainer that saves its run in a folder, and resumes from there."""

import contextlib
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import torch

from lgrseg.checkpoint.ema import WeightAverage
from lgrseg.checkpoint.files import CheckpointError, save_checkpoint, weights_path
from lgrseg.checkpoint.loading import load_weights
from lgrseg.checkpoint.reading import read_newest_state
from lgrseg.comm import processes as distributed
from lgrseg.engine.best_score import read_best_score
from lgrseg.engine.finite import check_weights
from lgrseg.engine.guard import NonFiniteError, StepRecord
from lgrseg.engine.run_folder import REPLACED, has_checkpoint
from lgrseg.engine.run_lock import RunLock
from lgrseg.engine.settings import TrainSettings
from lgrseg.engine.train_loop import SimpleTrainer
from lgrseg.engine.workers import deaf_to_children
from lgrseg.inference.pretrained import weight_file
from lgrseg.modeling.contracts import ClipModel

logger = logging.getLogger("lgrseg")


class ResumableTrainer(SimpleTrainer):
    """Trainer with checkpoints of everything that a run needs to be resumed."""

    def __init__(
        self,
        *,
        model: ClipModel,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        settings: TrainSettings,
    ):
        """Set up the trainer; nothing is read or written."""
        super().__init__(
            model=model,
            optimizer=optimizer,
            device=device,
            max_iter=settings.max_iter,
            seed=settings.seed,
            accumulate=settings.accumulate,
            clip_norm=settings.clip_norm,
            amp=settings.amp,
            find_unused_parameters=settings.find_unused_parameters,
        )
        self.settings = settings
        self.output_dir = Path(settings.output_dir)
        self.lock = RunLock(self.output_dir)
        """Lock that is held while files are written into the folder."""
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        decay = settings.ema_decay
        self.average = WeightAverage(model, decay=decay) if decay else None
        self.best_score: float | None = None
        self.train_seconds = 0.0
        """Time in training steps so far, with earlier processes, in seconds."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.output_dir / "checkpoints"

    @property
    def followed(self) -> str | None:
        """Name of the test dataset whose score selects the best weights."""
        return None

    def run_step(self) -> None:
        """One update."""
        super().run_step()
        self.train_seconds += float(self.metrics["step_seconds"])

    def compute_gradient(self, step: StepRecord) -> None:
        """Forward and backward; after an error the run is saved, because its weights are valid."""
        try:
            super().compute_gradient(step)
        except NonFiniteError:
            raise
        except Exception as error:
            if step.clips:
                clips = "; ".join(step.clips[-1])
                error.add_note(f"at iteration {step.iteration}, with the clips {clips}")
            self._save_after(error)
            raise

    def _save_after(self, error: Exception) -> None:
        """Save the run and add a note to the error; --resume repeats the batch.

        Parameters are those before the step; running means of batch norms may include the batch.
        """
        if self.iteration == self.start_iteration:
            return
        if not distributed.is_main_process():
            error.add_note(
                "this process saves nothing; --resume continues from the last checkpoint"
            )
            return
        try:
            self.save("last")
        except Exception as other:  # the first error is the important one
            error.add_note(f"iteration {self.iteration} could not be saved: {other}")
        else:
            error.add_note(f"saved after iteration {self.iteration}; --resume continues from there")

    # -- saving -------------------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Write a checkpoint, with the averaged weights if averaging is on.

        Raises:
            CheckpointError: writing failed; an earlier checkpoint of this name is unchanged.
            NonFiniteError: the last step or the weights are not finite; nothing is written.
        """
        if self.guard.settle():
            self.stop_agreed = True
        if not distributed.is_main_process():
            return
        weights = self.average.weights if self.average else self.model.state_dict()
        check_weights(self.model, weights, self.iteration)
        try:
            with deaf_to_children():  # a worker that dies meanwhile is noticed afterwards
                save_checkpoint(self.checkpoints, name, weights, self.state_dict())
        except CheckpointError as error:
            error.add_note(_after_failed_write(self.output_dir))
            raise

    def state_dict(self) -> dict:
        """Everything that a run needs to be resumed, besides its config."""
        num_processes = distributed.get_world_size()
        return {
            "iteration": self.iteration,
            "num_processes": num_processes,
            "num_batches": self.batches_done * num_processes,
            "train_seconds": self.train_seconds,
            "best_score": self.best_score,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
        }

    # -- resuming -----------------------------------------------------------------------------

    def load_state_dict(self, state: dict) -> None:
        """Restore a `state_dict`, but keep learning rates and decays of this config.

        Raises:
            KeyError, RuntimeError, ValueError: the state has another architecture.
        """
        self.model.load_state_dict(state["model"])
        options = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, group_options in zip(self.optimizer.param_groups, options, strict=True):
            group.update(group_options)
        if self.average and state["average"]:
            self.average.load_state_dict(state["average"])
        elif self.average:
            self.average.reset()
        self.iteration = state["iteration"]
        self.train_seconds = state["train_seconds"]
        self._resume_clips(state)

    def _resume_clips(self, state: dict) -> None:
        """Continue after the last batch of all processes, also with another number of processes."""
        now = distributed.get_world_size()
        num_before = state.get("num_processes", now)
        usual = self.iteration * self.accumulate
        num_batches = state.get("num_batches", usual * num_before)
        self.batch_offset = math.ceil(num_batches / now) - usual
        if num_before != now:
            logger.info(
                "the run had %d processes and now has %d: it continues with the next clips, and "
                "none is repeated; every update now uses %d batches (train.accumulate=%d)",
                num_before,
                now,
                now * self.accumulate,
                self.accumulate,
            )

    def resume_or_load(self, *, resume: bool, overwrite: bool = False) -> None:
        """Resume from the last checkpoint of the run, or start from `train.init_weights`.

        Args:
            resume: True to resume if there is a checkpoint.
            overwrite: True if a run in the folder is being replaced (`replacing_run`).

        Raises:
            CheckpointError: the folder has a run and neither is set, or its checkpoint has no
                state or does not match this config.
        """
        if not (resume or overwrite) and has_checkpoint(self.output_dir):
            raise CheckpointError(
                f"{self.output_dir} already has a run: --resume continues it, --overwrite deletes "
                "it, train.output_dir=... chooses another folder"
            )
        newest = read_newest_state(self.checkpoints) if resume else None
        if newest is None:
            if resume and has_checkpoint(self.output_dir):
                raise CheckpointError(
                    f"{self.checkpoints} has weights, but no state (*.state.pt) to resume from: "
                    f"put the state back; or start a new run from the weights, with another "
                    f"train.output_dir and train.init_weights={self.checkpoints}/NAME.safetensors"
                )
            if resume and (self.output_dir / REPLACED).is_dir():
                logger.warning(
                    "there is no checkpoint to resume from, so the run starts from the beginning; "
                    "the earlier run, which it replaces, stays in %s until the first checkpoint",
                    self.output_dir / REPLACED,
                )
            if self.settings.init_weights:
                self.load_weights(self.settings.init_weights, strict=False)
            return
        path, state = newest
        try:
            self.load_state_dict(state)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path} was written with another config, which does not match this one: "
                f"{str(error)[:500]}"
            ) from error
        self.best_score = read_best_score(self.output_dir, self.followed, self.iteration)
        logger.info("resuming from iteration %d of %s", self.iteration, path)

    def load_weights(self, path: str | Path, *, strict: bool = True) -> None:
        """Load the model's weights from a file, see lgrseg/checkpoint/loading.py.

        The name of a model that comes with the package stands for its file.

        Raises:
            FileNotFoundError: there is no such file.
            CheckpointError: the weights do not fit.
        """
        path = weight_file(path)
        load_weights(self.model, path, strict=strict)
        if self.average:
            self.average.reset()
        logger.info("weights from %s", path)

    def load_for_evaluation(self, *, explicit: bool = False) -> None:
        """Load the weights of the last checkpoint, else of the best, else `train.init_weights`.

        Args:
            explicit: True if the user set `train.init_weights`, so that it has priority.

        Raises:
            FileNotFoundError: there is neither a checkpoint nor `train.init_weights`.
        """
        checkpoints = [weights_path(self.checkpoints, name) for name in ("last", "best")]
        files: list[str | Path] = [path for path in checkpoints if path.is_file()]
        if init_weights := self.settings.init_weights:
            files.insert(0 if explicit else len(files), init_weights)
        if not files:
            raise FileNotFoundError(
                f"there is nothing to evaluate, because {self.checkpoints} has no last.safetensors "
                "and no best.safetensors: train first, or give train.init_weights"
            )
        self.load_weights(files[0])

    @contextlib.contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Context in which the model has the averaged weights, if averaging is on."""
        with self.average.applied_to(self.model) if self.average else contextlib.nullcontext():
            yield


def _after_failed_write(folder: Path) -> str:
    """Remedy if a checkpoint could not be written."""
    if has_checkpoint(folder):
        return "once it can be written, --resume continues from the last checkpoint"
    return "there is no checkpoint yet: once it can be written, the same command starts again"
