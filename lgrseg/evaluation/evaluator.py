"""Scores of a model on a dataset, at the original resolution of its videos."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.store import read_masks
from lgrseg.engine.distributed import all_gather_object
from lgrseg.engine.writers import show_bars
from lgrseg.evaluation import overlap
from lgrseg.structures import Clip, ClipPrediction, ClipTargets


class SegmentationEvaluator:
    """Dice and IoU on the supervised frames of every clip.

    `mean` and `classes` are means over patients (of a patient's annotated frames), classes in
    neither truth nor prediction left out; the other rules and the plain mean over clips stand
    beside them, because earlier tables print those.
    """

    def __init__(self, *, dataset: str, protocol: str, bootstrap_seed: int = 0):
        """`protocol` says in words what is evaluated; it goes into the results."""
        self.dataset = dataset
        self.protocol = protocol
        self.bootstrap_seed = bootstrap_seed
        self.classes = MetadataCatalog.get(dataset).classes
        self.reset()

    def reset(self) -> None:
        """Forget all that was seen."""
        self._rows: list[dict] = []
        self._seconds = 0.0

    def process(
        self,
        record: dict,
        anchor: int,
        clip: Clip,
        targets: ClipTargets,
        prediction: ClipPrediction,
        seconds: float = 0.0,
    ) -> None:
        """Take one clip in; the truth is read from the store, whole.

        Args:
            record: of the video.
            anchor: of the clip in it.
            clip: what the model saw; it must not be augmented.
            targets: say which of its frames are scored.
            prediction: of the model.
            seconds: that the model took.

        Raises:
            ValueError: truth and prediction differ in size or in their classes, or the clip was
                augmented.
        """
        name = record["video_id"]
        if len(prediction.mask_logits) != len(self.classes):
            raise ValueError(
                f"the model predicts {len(prediction.mask_logits)} classes, {self.dataset} has "
                f"{len(self.classes)}: {', '.join(self.classes)}; set num_classes in the config"
            )
        if clip.geometry is None:
            raise ValueError(f"{name} was augmented: the mapper of a test loader must not augment")
        self._seconds += seconds
        positions = targets.annotated.nonzero().flatten().tolist()
        # Only these go up to the original size: in a dense clip one frame of eleven.
        scored = replace(prediction, mask_logits=prediction.mask_logits[:, positions])
        predicted = scored.label_maps(clip.geometry).cpu().numpy()
        truth = read_masks(record)
        for position, labels in zip(positions, predicted, strict=True):
            frame = int(clip.frame_indices[position])
            if truth[frame].shape != labels.shape:
                raise ValueError(
                    f"{name}, frame {frame}: the truth is {truth[frame].shape}, the "
                    f"prediction {labels.shape}; prepare the dataset anew"
                )
            try:
                counts = overlap.count_pixels(labels, truth[frame], len(self.classes))
            except ValueError as error:
                raise ValueError(f"{name}, frame {frame}: {error}") from error
            self._rows.append(
                {
                    "video_id": name,
                    "anchor": anchor,
                    "frame": frame,
                    "patient": record["patient"],
                    "site": record["site"],
                    "counts": counts.tolist(),
                }
            )

    def evaluate(self) -> dict:
        """The results of all processes together, as results.json holds them.

        Raises:
            ValueError: nothing was processed.
        """
        gathered = all_gather_object((self._rows, self._seconds))
        # Sorted, so that sums have one order however many processes there are; each frame of a clip
        # once, even from a loader that pads its last round with clips it gave before.
        found = {
            (row["video_id"], row["anchor"], row["frame"]): row
            for part, _ in gathered
            for row in part
        }
        rows = [found[key] for key in sorted(found)]
        if not rows:
            raise ValueError(f"{self.dataset} has no annotated frame to evaluate")
        seconds = sum(seconds for _, seconds in gathered)
        return plain(self._results(rows, seconds))

    def _results(self, rows: list[dict], seconds: float) -> dict:
        counts = np.array([row["counts"] for row in rows])
        scores = {"dice": overlap.dice(counts), "iou": overlap.iou(counts)}
        patients = [row["patient"] for row in rows]
        clips = [(row["video_id"], row["anchor"]) for row in rows]
        names, by_patient = overlap.group_means(scores["dice"], patients)
        means = {
            name: overlap.mean(overlap.group_means(s, patients)[1], axis=0)
            for name, s in scores.items()
        }
        videos, by_video = overlap.group_means(scores["dice"], [row["video_id"] for row in rows])
        return {
            "dataset": self.dataset,
            "protocol": self.protocol,
            "num_clips": len(set(clips)),
            "num_frames": len(rows),
            "num_patients": len(names),
            "classes": {
                cls: {name: values[k] for name, values in means.items()}
                | {"dice_ci95": self._interval(by_patient[:, [k]])}
                for k, cls in enumerate(self.classes)
            },
            "mean": {name: overlap.mean(values) for name, values in means.items()},
            "dice_ci95": self._interval(by_patient),
            "empty_class_rule": "skip",
            "mean_by_rule": _means_by_rule(scores["dice"], patients),
            "mean_over_clips": _means_by_rule(scores["dice"], clips),
            "sites": self._by_site(rows, scores["dice"]),
            "patients": self._by_class(names, by_patient),
            "videos": self._by_class(videos, by_video),
            "seconds_per_clip": seconds / len(set(clips)),
        }

    def _interval(self, by_patient: np.ndarray) -> tuple[float, float]:
        return overlap.bootstrap_interval(by_patient, seed=self.bootstrap_seed)

    def _by_class(self, names: list[str], scores: np.ndarray) -> dict[str, dict]:
        rows = zip(names, scores, strict=True)
        return {name: dict(zip(self.classes, row, strict=True)) for name, row in rows}

    def _by_site(self, rows: list[dict], scores: np.ndarray) -> dict:
        sites = {}
        for site in sorted({row["site"] for row in rows if row["site"] is not None}):
            chosen = [i for i, row in enumerate(rows) if row["site"] == site]
            names, by_patient = overlap.group_means(
                scores[chosen], [rows[i]["patient"] for i in chosen]
            )
            values = overlap.mean(by_patient, axis=0)
            sites[site] = {
                "num_patients": len(names),
                "dice": overlap.mean(values),
                "classes": dict(zip(self.classes, values, strict=True)),
            }
        return sites


def _means_by_rule(scores: np.ndarray, groups: list) -> dict[str, float]:
    return {
        rule: overlap.mean_over_classes(
            overlap.group_means(overlap.apply_rule(scores, rule), groups)[1]
        )
        for rule in overlap.RULES
    }


def inference_on_dataset(model: torch.nn.Module, loader, evaluator: SegmentationEvaluator) -> dict:
    """Predict every clip of a test loader, and evaluate; the model's mode is put back."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    evaluator.reset()
    try:
        with torch.inference_mode():
            # The bar is for those who watch; it goes when the last clip is done.
            name, hidden = evaluator.dataset, not show_bars()
            for samples in tqdm(loader, desc=name, unit="clip", leave=False, disable=hidden):
                for record, anchor, clip, targets in samples:
                    begin = time.perf_counter()
                    (prediction,) = model([clip.to(device)])
                    if device.type == "cuda":
                        torch.cuda.synchronize(device)  # else the launch is timed, not the work
                    seconds = time.perf_counter() - begin
                    evaluator.process(record, anchor, clip, targets, prediction, seconds)
        return evaluator.evaluate()
    finally:
        model.train(was_training)


def write_results(results: dict, folder: Path) -> Path:
    """Write results.json; what is not a number becomes null."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    file.write_text(json.dumps(results, indent=1, allow_nan=False), encoding="utf-8")
    return file


def print_results(results: dict) -> None:
    """The results as a table on the console."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "", "Dice [95% interval]", "IoU", title=f"{results['dataset']}: {results['protocol']}"
    )
    for name, scores in results["classes"].items():
        dice = with_interval(scores["dice"], scores["dice_ci95"])
        table.add_row(name.replace("_", " "), dice, show(scores["iou"]))
    table.add_section()
    mean = results["mean"]
    dice = with_interval(mean["dice"], results["dice_ci95"])
    table.add_row("mean over patients", dice, show(mean["iou"]))
    for key, words in (("mean_by_rule", "patients"), ("mean_over_clips", "clips")):
        table.add_section()
        for rule in overlap.RULES:
            if (key, rule) != ("mean_by_rule", "skip"):  # that is the mean above
                name = f"mean over {words}, absent class: {rule}"
                table.add_row(name, show(results[key][rule]), "")
    if len(results["sites"]) > 1:
        table.add_section()
        for site, scores in results["sites"].items():
            table.add_row(f"{site}, {scores['num_patients']} patients", show(scores["dice"]), "")
    console = Console()
    console.print(table)
    console.print(
        f"{results['num_frames']} frames of {results['num_clips']} clips, "
        f"{results['num_patients']} patients, {results['seconds_per_clip']:.3f} s a clip"
    )


def show(score: float | None) -> str:
    """A score with four digits, or a dash where there is none."""
    return "-" if score is None else f"{score:.4f}"


def with_interval(score: float | None, interval: list[float | None]) -> str:
    """A score and the interval around it."""
    return f"{show(score)} [{show(interval[0])}, {show(interval[1])}]"


def plain(value):
    """NumPy numbers to Python's, what is not finite to None, through dicts and sequences."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
