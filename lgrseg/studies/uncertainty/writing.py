"""Files of an uncertainty study: tables, risk-coverage curves and pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lgrseg.data.transforms.resizing import resize_image, resize_labels
from lgrseg.reporting.tables import markdown_table, show
from lgrseg.studies.uncertainty.frames import FrameMaps, Study
from lgrseg.visualization.overlays import overlay, write_png

HEIGHT = 240
"""Height of a panel in pixels."""
WRONG = (220, 50, 47)
"""RGB colour of wrong pixels."""


def write_study(studies: Sequence[Study], folder: Path) -> str:
    """Write all files, and return the table.

    Written are uncertainty.md, frames.csv, risk_coverage.csv, risk_coverage.png for each dataset,
    and RUN_DATASET.png with pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = table(studies)
    (folder / "uncertainty.md").write_text(text + "\n", encoding="utf-8")
    frames = [
        {"run": s.run, "dataset": s.dataset}
        | dict(zip(("video", "frame", "uncertainty", "dice"), row, strict=True))
        for s in studies
        for row in s.frames
    ]
    pd.DataFrame(frames).to_csv(folder / "frames.csv", index=False)
    curves = [
        {"run": s.run, "dataset": s.dataset, "coverage": (n + 1) / len(s.frames), "risk": risk}
        for s in studies
        for n, risk in enumerate(s.risks)
    ]
    pd.DataFrame(curves).to_csv(folder / "risk_coverage.csv", index=False)
    for dataset in dict.fromkeys(s.dataset for s in studies):
        chosen = [s for s in studies if s.dataset == dataset]
        write_curves(chosen, folder / f"risk_coverage_{dataset}.png")
    for s in studies:
        name = f"{s.run}_{s.dataset}".replace("/", "_")
        write_png(folder / f"{name}.png", _below_each_other([picture(one) for one in s.shown]))
    return text


def table(studies: Sequence[Study]) -> str:
    """A row for every run and dataset, in Markdown."""
    rows = []
    for s in studies:
        dice = float(np.mean([frame[3] for frame in s.frames]))
        risks = [float(s.risks.mean()), float(s.best_risks.mean()), 1 - dice]
        cells = [show(dice), show(s.auroc, 3), show(s.correlation, 3), *(show(r) for r in risks)]
        rows.append([s.run, s.dataset, str(len(s.frames)), *cells])
    (distance, *_) = {s.distance for s in studies}
    head = ["run", "dataset", "frames", "Dice", f"AUROC, {distance:g} input px from the contour"]
    head += ["correlation with Dice", "AURC", "AURC, best order", "AURC, random order"]
    return markdown_table(head, rows)


def write_curves(studies: Sequence[Study], file: Path) -> None:
    """Plot risk against coverage as PNG: a line for each run, dashed for its best order."""
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for number, s in enumerate(studies):
        coverage = np.arange(1, len(s.frames) + 1) / len(s.frames)
        label = f"{s.run}, area {s.risks.mean():.4f}"
        axes.plot(coverage, s.risks, color=f"C{number}", linewidth=1.5, label=label)
        axes.plot(coverage, s.best_risks, color=f"C{number}", linewidth=1, linestyle="--")
    axes.plot([], [], color="grey", linewidth=1, linestyle="--", label="best possible order")
    axes.set(xlabel="share of frames kept, the most certain first", ylabel="1 - Dice", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=130)


def picture(maps: FrameMaps) -> np.ndarray:
    """Draw a frame with the true contours, its entropy, and its errors, side by side.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    size = (HEIGHT, max(2, round(maps.image.shape[1] * HEIGHT / maps.image.shape[0])))
    image = resize_image(maps.image, size)
    truth = resize_labels(maps.truth, size)
    heat = (255 * resize_image(maps.entropy, size).clip(0, 1)).astype(np.uint8)
    is_wrong = resize_labels((maps.truth != maps.prediction).astype(np.uint8), size) > 0
    errors = np.repeat(image[..., None], 3, axis=2)
    errors[is_wrong] = WRONG
    outlined = overlay(image, truth, [(255, 255, 255)] * maps.num_classes, fill=0.0)
    entropy = np.ascontiguousarray(cv2.applyColorMap(heat, cv2.COLORMAP_INFERNO)[..., ::-1])
    name = f"{maps.video_id}, frame {maps.frame}"
    _write(outlined, f"{name}: truth")
    _write(entropy, f"entropy, sum / area {maps.uncertainty:.3f}")
    _write(errors, f"errors, Dice {maps.dice:.3f}")
    return np.concatenate([outlined, entropy, errors], axis=1)


def _below_each_other(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Join pictures of one height, and fill narrow ones with black."""
    width = max(one.shape[1] for one in pictures)
    return np.concatenate([np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0))) for p in pictures])


def _write(panel: np.ndarray, text: str) -> None:
    cv2.putText(
        panel, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (230, 230, 230), 1, cv2.LINE_AA
    )
