"""The models of a worker, and what the service says about them."""

import hashlib
from pathlib import Path
from typing import Any

import torch

import lgrseg
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.run_files import run_files
from lgrseg.serve.settings import Settings

CLIPS, PROMPTS = "clips", "prompts"
"""Purposes: models of ordinary jobs, and the model of jobs with boxes."""


def load_models(settings: Settings) -> tuple[dict[str, Predictor], list[dict[str, Any]]]:
    """Load the models.

    Returns:
        Name -> model, and the facts that GET /v1/models gives.

    Raises:
        FileNotFoundError: there is no such run, or it has no checkpoint.
        ValueError: the run of --box-run takes no boxes.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    runs = [(name, CLIPS, run) for name, run in settings.models.items()]
    if settings.box_run and settings.box_model:
        runs.append((settings.box_model, PROMPTS, settings.box_run))
    predictors = {
        name: Predictor.from_run(run, device=settings.device)
        for name, run in {name: run for name, _, run in runs}.items()
    }
    if settings.box_model:
        for member in predictors[settings.box_model].members:
            member.check_boxes([])
    return predictors, [_facts(*entry, predictors[entry[0]]) for entry in runs]


def _facts(name: str, purpose: str, run: str, predictor: Predictor) -> dict[str, Any]:
    _, weights = run_files(Path(run))
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "name": name,
        "purpose": purpose,
        "sha256": digest,
        "classes": list(predictor.metadata.classes),
        "colors": [list(color) for color in predictor.metadata.colors],
        "version": lgrseg.__version__,
        "notes": list(predictor.notes),
    }
