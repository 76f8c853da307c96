"""Evaluates several runs together, as the mean of their class probabilities, on test datasets.

The runs may have different models and input sizes: each gets test clips of its own loader, and
averaged maps are pasted into the original frames. With test-time augmentation, the prediction of
each run is the mean over several views (lgrseg/inference/augmented_views.py).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from tqdm import tqdm

from lgrseg.config import instantiate, load_config
from lgrseg.engine.test_sets import name_tests_by_dataset, with_test_sets
from lgrseg.inference.averaging import average_predictions
from lgrseg.inference.members import Member
from lgrseg.inference.run_files import run_files
from lgrseg.structures import Clip, ClipPrediction


@dataclass
class EvaluatedRun:
    """A loaded run, with the config of its test clips."""

    member: Member
    cfg: DictConfig


def load_runs(
    runs: Sequence[str | Path],
    *,
    datasets: Sequence[str] = (),
    weights: str | Path | None = None,
    device: str = "auto",
    tta: bool = False,
    imports: Sequence[str] = (),
    trusted: Sequence[str] = (),
) -> list[EvaluatedRun]:
    """Load the models of runs.

    Args:
        runs: folders of finished runs of the same classes.
        datasets: names of the test datasets; by default those of each config.
        weights: "best" or "last" checkpoint of every run; None takes the best checkpoint if there
            is one, otherwise the last.
        device: "cpu", "cuda", or "auto" for a GPU if there is one.
        tta: True for test-time augmentation with every model.
        imports: names of modules to import first, as with --import.
        trusted: names of your own packages that the configs may call, as with --trust.

    Raises:
        FileNotFoundError: there is no such run, or it has no such checkpoint.
        ValueError: the runs have different classes.
    """
    loaded = []
    for run in map(Path, runs):
        config, file = run_files(run, weights)
        overrides = [f"train.device={device}"]
        cfg = load_config(config, overrides, imports=imports, trusted=trusted)
        cfg = name_tests_by_dataset(cfg)
        cfg = with_test_sets(cfg, list(datasets)) if datasets else cfg
        loaded.append(EvaluatedRun(Member.load(cfg, file, name=str(run), tta=tta), cfg))
    first, *others = (run.member for run in loaded)
    for other in others:
        if other.metadata.classes != first.metadata.classes:
            raise ValueError(
                f"an ensemble needs runs of the same classes: {first.name} has "
                f"{', '.join(first.metadata.classes)}; {other.name} has "
                f"{', '.join(other.metadata.classes)}"
            )
    return loaded


def evaluate_ensemble(runs: Sequence[EvaluatedRun], dataset: str) -> dict:
    """Evaluate the mean of runs on one test dataset, with the evaluator of the first.

    Args:
        runs: loaded runs, at least one.
        dataset: name of a test dataset of all their configs.

    Returns:
        The results, as they are written to results.json.

    Raises:
        ValueError: a run does not test on this dataset, or the runs cut other clips of its videos.
    """
    for run in runs:
        if dataset not in run.cfg.dataloader.test:
            raise ValueError(
                f"{run.member.name} tests on {', '.join(run.cfg.dataloader.test)}, not on "
                f"{dataset}: name the datasets with --datasets"
            )
    loaders = [instantiate(run.cfg.dataloader.test[dataset]) for run in runs]
    evaluator = instantiate(runs[0].cfg.evaluator)(dataset=dataset)
    evaluator.reset()
    bar = tqdm(zip(*loaders, strict=True), total=len(loaders[0]), desc=dataset, leave=False)
    for batches in bar:
        samples = [sample for (sample,) in batches]
        record, anchor, clip, targets = samples[0]
        begin = time.perf_counter()
        prediction = _mean(runs, [of_run[2] for of_run in samples])
        evaluator.process(record, anchor, clip, targets, prediction, time.perf_counter() - begin)
    names = [run.member.name for run in runs]
    results = evaluator.evaluate() | {"runs": names}
    if len(runs) > 1:
        results["protocol"] += f"; mean of {len(runs)} runs"
    return results


@torch.inference_mode()
def _mean(runs: Sequence[EvaluatedRun], clips: Sequence[Clip]) -> ClipPrediction:
    predictions = []
    for run, clip in zip(runs, clips, strict=True):
        if not torch.equal(clip.frame_indices, clips[0].frame_indices):
            raise ValueError(
                f"{runs[0].member.name} is tested on frames {clips[0].frame_indices.tolist()} of "
                f"{clip.video_id}, {run.member.name} on {clip.frame_indices.tolist()}: only runs "
                "whose test clips have the same frames can be evaluated together"
            )
        device = next(run.member.model.parameters()).device
        (prediction,) = run.member.model([clip.to(device)])
        predictions.append(prediction)
    return predictions[0] if len(predictions) == 1 else average_predictions(predictions)
