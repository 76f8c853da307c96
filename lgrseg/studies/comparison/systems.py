"""The systems of this project, trained for an equal time of one CPU core."""

import logging
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lgrseg.config import load_config
from lgrseg.engine.test_sets import name_tests_by_dataset
from lgrseg.studies.benchmarks.steps import time_steps
from lgrseg.studies.comparison.child import run_child

logger = logging.getLogger("lgrseg")

LAST = "checkpoints/last.safetensors"


@dataclass(frozen=True)
class Stage:
    """One training: a config, the part of the time, and which setting reads the stage before."""

    config: str
    settings: tuple[str, ...] = ()
    part: float = 1.0
    before: str = ""
    """Name of the setting whose value is the weights of the stage before; "" for the first one."""


@dataclass(frozen=True)
class System:
    """A row of the table; its scores are those of its last stage."""

    name: str
    stages: tuple[Stage, ...]


LGRNET = "configs/lgrnet/demo.py"
SAMPLING = (
    System("hts", (Stage(LGRNET, ("method=hts",)),)),
    System("hts_lgsd", (Stage(LGRNET, ("method=hts+lgsd",)),)),
)
"""With hybrid temporal sampling, and with self-distillation too."""
WITHOUT_SAMPLING = (System("lgsd", (Stage(LGRNET, ("method=lgsd",)),)),)
OTHERS = (
    System(
        "box_sam2",
        (
            Stage("configs/box_sam2/demo_stills.py", part=0.6),
            Stage("configs/box_sam2/demo.py", part=0.4, before="train.init_weights"),
        ),
    ),
    System(
        "ar_seg",
        (
            Stage("configs/ar_seg/tokenizer.py", part=0.25),
            Stage("configs/ar_seg/next_scale.py", part=0.75, before="model.tokenizer.weights"),
        ),
    ),
)


def systems_for(overrides: list[str]) -> tuple[System, ...]:
    """List the systems for a dataset: BASIC LGRNet, its two methods, BOX-SAM2 and AR-SEG.

    Hybrid temporal sampling chooses frames of a longer video. If the clips of the dataset are whole
    videos, as CAMUS's pairs of ED and ES, it is left out, and a warning says so.
    """
    sampler = load_config(LGRNET, overrides).dataloader.train.mapper.frame_sampler
    basic = System("basic", (Stage(LGRNET),))
    if "num_frames" in sampler:
        return (basic, *SAMPLING, *OTHERS)
    logger.warning(
        "hybrid temporal sampling is left out: every clip of this dataset is a whole video, so "
        "there are no other frames to choose from"
    )
    return (basic, *WITHOUT_SAMPLING, *OTHERS)


def train_systems(
    output: Path, overrides: list[str], *, minutes: float, timed_steps: int = 10
) -> tuple[list[Path], list[str]]:
    """Train every system in OUTPUT/NAME, one after another.

    The number of steps is the time divided by the measured CPU time of a step. A system that was
    evaluated is not trained again. If one fails, the others continue.

    Args:
        output: folder of the runs.
        overrides: settings of all configs, `key=value`; `dataset=NAME` among them.
        minutes: minutes of one core for each system, without its evaluation.
        timed_steps: number of steps whose time is measured.

    Returns:
        The folders of the runs with scores, and a message for each system that failed.
    """
    runs, failed = [], []
    for system in systems_for(overrides):
        try:
            runs.append(_train(system, output / system.name, overrides, minutes, timed_steps))
        except (FileNotFoundError, KeyError, ValueError) as error:
            failed.append(f"{system.name}: {error}")
            logger.error("%s", failed[-1])
    return runs, failed


def _train(
    system: System, folder: Path, overrides: list[str], minutes: float, timed_steps: int
) -> Path:
    """Train the stages of a system: the last one in `folder`, earlier ones beside it."""
    weights: Path | None = None
    for number, stage in enumerate(system.stages, start=1):
        is_last = number == len(system.stages)
        run = folder if is_last else folder.with_name(f"{folder.name}_stage{number}")
        settings = [*overrides, *stage.settings]
        cfg = name_tests_by_dataset(load_config(stage.config, settings))
        if not all(
            (run / "eval" / name / "results.json").is_file() for name in cfg.dataloader.test
        ):
            step = time_steps(cfg, timed_steps)
            steps = max(1, step.steps_in(minutes * stage.part))
            logger.info("%s: %d steps of %.2f s, %s", run, steps, step.seconds, stage.config)
            settings += [f"train.max_iter={steps}", f"train.output_dir={run}"]
            settings += ["train.eval_period=0", "train.checkpoint_period=0", "train.num_threads=1"]
            settings.append(f"train.export_videos={int(is_last)}")
            if stage.before:
                settings.append(f"{stage.before}={weights}")
            _train_net(run, ["--config-file", stage.config, *settings])
        weights = run / LAST
    return folder


def _train_net(run: Path, words: list[str]) -> None:
    """Run `lgrseg train` with its output in RUN.log; what an earlier one left is deleted."""
    shutil.rmtree(run, ignore_errors=True)
    run.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "lgrseg", "train", *words]
    with open(f"{run}.log", "w", encoding="utf-8") as log:
        if run_child(command, log):
            raise ValueError(f"its training failed, see {run}.log")
