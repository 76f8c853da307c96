"""Pictures of the evidence that a classifier finds in the clips of a dataset.

Letters: T frames, H W pixels of a frame, h w size of the evidence map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from lgrseg.comm.processes import pick_device
from lgrseg.config import instantiate, load_config
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.transforms.resizing import resize_image
from lgrseg.engine.test_sets import name_tests_by_dataset, with_test_sets
from lgrseg.inference.run_files import run_files
from lgrseg.modeling.building import build_model
from lgrseg.modeling.heads.classifier import ClipClassifier
from lgrseg.visualization.class_evidence import class_evidence
from lgrseg.visualization.overlays import FONT, write_png

HEIGHT = 240
"""Height of a panel in pixels."""


@dataclass(frozen=True)
class Explained:
    """The answer for one clip, and the evidence in its middle frame."""

    video_id: str
    truth: str
    """Name of the true class."""
    answer: str
    """Name of the most probable class."""
    p_answer: float
    """Probability of the most probable class, 0 to 1."""
    p_truth: float
    """Probability of the true class, 0 to 1."""
    frame: np.ndarray
    """(H, W) uint8 grey values, as the model sees them."""
    for_answer: np.ndarray
    """(h, w) evidence for the most probable class, 0 to 1."""
    for_truth: np.ndarray
    """(h, w) evidence for the true class, 0 to 1."""


def explain(
    run: Path, dataset: str, *, count: int, weights: str | None = None, trusted: Sequence[str] = ()
) -> list[Explained]:
    """Classify a dataset, and explain the answers from which one learns most.

    They are those whose true class has the lowest probability: sure mistakes come first.

    Args:
        run: folder of a classifier's run.
        dataset: name of a dataset with labels.
        count: largest number of clips.
        weights: "best" or "last" checkpoint; None takes the best one if there is one.
        trusted: names of your own packages that the config may call, as with --trust.

    Raises:
        FileNotFoundError: there is no such run, or it has no checkpoint.
        ValueError: the run is no classifier, or its encoder has no map for Grad-CAM.
    """
    config, checkpoint = run_files(run, weights)
    cfg = name_tests_by_dataset(load_config(config, ["train.device=auto"], trusted=trusted))
    device = pick_device(cfg.train.device)
    model = build_model(cfg, weights=checkpoint, device=str(device)).eval().requires_grad_(False)
    if not isinstance(model, ClipClassifier):
        raise ValueError(f"{run} is a {type(model).__name__}, not a classifier of clips")
    classes = MetadataCatalog.get(dataset).classes
    loader = instantiate(with_test_sets(cfg, [dataset]).dataloader.test[dataset])
    answers, p_truth = [], []
    for ((_, _, clip, target),) in loader:
        with torch.no_grad():
            (prediction,) = model([clip.to(device)])
        answers.append(prediction.probs.numpy())
        p_truth.append(answers[-1][target.label])
    shown = []
    for index in np.argsort(p_truth, kind="stable")[:count].tolist():
        record, _, clip, target = loader.dataset[index]
        shown.append(
            _explained(
                model, record.video_id, clip.to(device), target.label, answers[index], classes
            )
        )
    return shown


def _explained(model, video_id, clip, label, probs, classes) -> Explained:
    answer, middle = int(probs.argmax()), len(clip.frames) // 2
    grey = clip.frames[middle].mean(dim=0).clamp(0, 1).cpu().numpy()
    return Explained(
        video_id=video_id,
        truth=classes[label],
        answer=classes[answer],
        p_answer=float(probs[answer]),
        p_truth=float(probs[label]),
        frame=(255 * grey).round().astype(np.uint8),
        for_answer=class_evidence(model, clip, answer)[middle].numpy(),
        for_truth=class_evidence(model, clip, label)[middle].numpy(),
    )


def write_evidence(shown: Sequence[Explained], folder: Path, dataset: str) -> Path:
    """Write evidence.csv and DATASET_evidence.png; returns the picture's file."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ("video_id", "truth", "answer", "p_answer", "p_truth")
    rows = [{name: getattr(each, name) for name in columns} for each in shown]
    pd.DataFrame(rows, columns=list(columns)).to_csv(folder / "evidence.csv", index=False)
    file = folder / f"{dataset}_evidence.png"
    write_png(file, np.concatenate([picture(each) for each in shown]))
    return file


def picture(each: Explained) -> np.ndarray:
    """Draw a frame, the evidence for the answer, and that for the truth, side by side.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    size = (HEIGHT, max(2, round(each.frame.shape[1] * HEIGHT / each.frame.shape[0])))
    grey = np.repeat(resize_image(each.frame, size)[..., None], 3, axis=2)
    captions = {
        f"truth: {each.truth}": grey,
        f"answer: {each.answer}, p = {each.p_answer:.2f}": _heat(grey, each.for_answer),
        f"for {each.truth}, p = {each.p_truth:.2f}": _heat(grey, each.for_truth),
    }
    panels = []
    for text, panel in captions.items():
        panel = np.ascontiguousarray(panel)
        for place in ((4, 16), (6, 16), (5, 15), (5, 17)):  # thicker text would also be wider
            cv2.putText(panel, text, place, FONT, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        cv2.putText(panel, text, (5, 16), FONT, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        panels.append(panel)
    return np.concatenate(panels, axis=1)


def _heat(grey: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Lay the evidence over a grey picture; where it is 0, the picture is unchanged."""
    large = resize_image(evidence.astype(np.float32), grey.shape[:2]).clip(0, 1)
    colours = cv2.applyColorMap((255 * large).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.65 * large[..., None]
    return ((1 - share) * grey + share * colours).round().astype(np.uint8)
