"""The models of a worker, and what the service says about them."""

import hashlib
from pathlib import Path
from typing import Any

import torch

import lgrseg
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.pretrained import pretrained_run
from lgrseg.inference.run_files import run_files
from lgrseg.serve.settings import Settings

CLIPS, PROMPTS = "clips", "prompts"
"""Model of ordinary jobs, and model of jobs with boxes."""


def load_models(settings: Settings) -> tuple[dict[str, Predictor], list[dict[str, Any]]]:
    """Load the models.

    Returns:
        Purpose -> its model, and the facts that GET /v1/models gives.

    Raises:
        FileNotFoundError: there is no such run, or it has no checkpoint.
        ValueError: the run of --box-run takes no boxes.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    runs = {CLIPS: settings.run or pretrained_run()}
    if settings.box_run:
        runs[PROMPTS] = settings.box_run
    predictors = {
        purpose: Predictor.from_run(run, device=settings.device) for purpose, run in runs.items()
    }
    if PROMPTS in predictors:
        for member in predictors[PROMPTS].members:
            member.check_boxes([])
    return predictors, [_facts(purpose, run, predictors[purpose]) for purpose, run in runs.items()]


def _facts(purpose: str, run: str | Path, predictor: Predictor) -> dict[str, Any]:
    _, weights = run_files(Path(run))
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "name": Path(run).resolve().name,
        "purpose": purpose,
        "sha256": digest,
        "classes": list(predictor.metadata.classes),
        "colors": [list(color) for color in predictor.metadata.colors],
        "version": lgrseg.__version__,
        "notes": list(predictor.notes),
    }
