"""The best score of a run, which decides when the checkpoint `best` is replaced."""

import logging
from pathlib import Path

from lgrseg.checkpoint.files import CheckpointError, state_path
from lgrseg.checkpoint.reading import read_state
from lgrseg.engine.writers import read_metrics

logger = logging.getLogger("lgrseg")


def read_best_score(run: Path, dataset: str | None, iteration: int) -> float | None:
    """Score of the checkpoint `best`; if that is damaged, the best score in metrics.jsonl.

    Args:
        run: folder of the run.
        dataset: test dataset whose score selects the best weights.
        iteration: iteration from which the run is resumed.

    Returns:
        The score, or None if there is no checkpoint `best`.
    """
    file = state_path(run / "checkpoints", "best")
    if not file.is_file():
        return None
    try:
        return read_state(file)["best_score"]
    except (CheckpointError, KeyError) as error:
        score = best_recorded(run, dataset, iteration)
        logger.warning("%s; metrics.jsonl is read instead: the best score is %s", error, score)
        return score


def best_recorded(run: Path, dataset: str | None, iteration: int) -> float | None:
    """The best mean score on a dataset in evaluations up to this iteration."""
    scores = [
        value
        for line in read_metrics(run)
        if line["iteration"] <= iteration
        for key, value in line.items()
        if key.startswith(f"eval/{dataset}/mean_") and value is not None
    ]
    return max(scores, default=None)
