"""Dice of runs on datasets, clean and degraded: one row per run, dataset, degradation, strength."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.evaluation import SegmentationEvaluator, inference_on_dataset
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import Clip, ClipPrediction
from lgrseg.studies.robustness.degradations import Degradation


@dataclass(frozen=True)
class Scores:
    """The scores of one run on one dataset with one degradation of one strength."""

    run: str
    dataset: str
    degradation: str
    """Name of the degradation; that of frames as they are is "clean"."""
    strength: float
    dice: dict[str, float | None]
    """Structure -> mean Dice over patients, of the structures that run and dataset share."""
    hd95: dict[str, float | None]
    """Structure -> mean HD95 in `distance_unit`, without missed structures."""
    missed: dict[str, int]
    """Structure -> number of frames where only prediction or only truth has it."""
    num_patients: int
    made_by: str
    """Hash of the run's weights and settings."""
    distance_unit: str | None = None
    """"mm", or "px" for a dataset without spacing; None if an older version wrote the row."""

    @property
    def key(self) -> tuple:
        """Run, dataset, degradation and strength."""
        return self.run, self.dataset, self.degradation, self.strength


def score(run: LoadedRun, dataset: str, degradation: Degradation, strength: float) -> Scores:
    """Evaluate a run on the degraded clips of a dataset.

    Raises:
        ValueError: run and dataset share no structure.
    """
    own, wanted = run.member.metadata.classes, MetadataCatalog.get(dataset).classes
    shared = [name for name in wanted if name in own]
    if not shared:
        raise ValueError(
            f"{run.name} predicts {', '.join(own)}, but {dataset} has {', '.join(wanted)}: they "
            "share no structure"
        )
    model = run.member.model
    if own != wanted:
        model = InClasses(model, own, wanted).eval()
    evaluator = SegmentationEvaluator(dataset=dataset, protocol="degraded frames")
    clips = _degraded(run.loader(dataset), degradation, strength)
    results = inference_on_dataset(model, clips, evaluator)
    by_class = {name: results["classes"][name] for name in shared}
    return Scores(
        run=run.name,
        dataset=dataset,
        degradation=degradation.name,
        strength=strength,
        dice={name: scores["dice"] for name, scores in by_class.items()},
        hd95={name: scores["hd95"] for name, scores in by_class.items()},
        missed={name: scores["missed"] for name, scores in by_class.items()},
        num_patients=results["num_patients"],
        made_by=run.made_by,
        distance_unit=results["distance_unit"],
    )


def _degraded(loader: DataLoader, degradation: Degradation, strength: float) -> Iterator[list]:
    for samples in loader:
        yield [
            (record, anchor, degradation(clip, strength), targets)
            for record, anchor, clip, targets in samples
        ]


class InClasses(ClipModel):
    """A model whose classes are put in the order of another dataset.

    Classes that the model does not know are absent. Pixels of a class that the dataset does not
    have become background.
    """

    def __init__(self, model: ClipModel, own: tuple[str, ...], wanted: tuple[str, ...]):
        """Wrap a model.

        Args:
            model: model that predicts masks.
            own: classes of the model.
            wanted: classes of the dataset.
        """
        super().__init__()
        self.model = model
        self.positions = [own.index(name) if name in own else None for name in wanted]
        self.others = [k for k, name in enumerate(own) if name not in wanted]

    def forward(self, clips: list[Clip]) -> list[ClipPrediction]:
        """Predict every clip, without boxes."""
        return [self._changed(prediction) for prediction in self.model(clips)]

    def _changed(self, prediction: ClipPrediction) -> ClipPrediction:
        absent = -1e4
        logits = prediction.mask_logits.float()
        logits = logits.masked_fill(~prediction.present[:, None, None, None], absent)
        if self.others:
            taken = logits[self.others].amax(dim=0)
            logits = logits.masked_fill((taken > 0) & (taken > logits), absent)
        empty = torch.full_like(logits[0], absent)
        maps = [empty if k is None else logits[k] for k in self.positions]

        def in_order(values: torch.Tensor) -> torch.Tensor:
            nothing = torch.zeros_like(values[0])
            return torch.stack([nothing if k is None else values[k] for k in self.positions])

        return replace(
            prediction,
            mask_logits=torch.stack(maps),
            class_probs=in_order(prediction.class_probs),
            present=in_order(prediction.present),
            boxes=None,
            box_scores=None,
        )


def read_scores(file: Path) -> list[Scores]:
    """Read the rows of an earlier command; empty if there is no file."""
    if not file.is_file():
        return []
    return [Scores(**row) for row in json.loads(file.read_text(encoding="utf-8"))]


def write_scores(file: Path, rows: Sequence[Scores]) -> None:
    """Write all rows."""
    text = json.dumps([asdict(row) for row in rows], indent=1, allow_nan=False)
    with appears_whole(file) as half_done:
        half_done.write_text(text, encoding="utf-8")
