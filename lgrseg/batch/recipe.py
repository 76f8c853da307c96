"""What decides the results of an archive besides its clips: the models and the settings."""

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import lgrseg
from lgrseg.inference.predictor import Predictor
from lgrseg.inference.result_files import MARK, mark_of
from lgrseg.inference.run_files import run_files

FILES = {
    "masks": "masks.nii.gz",
    "measurements": "measurements.json",
    "preview": "preview.png",
    "film": "overlay.mp4",
}
"""What can be written for a clip -> the name of its file."""


@dataclass(frozen=True)
class Recipe:
    """Models and settings. Every worker process loads its own predictor from it."""

    runs: tuple[Path, ...]
    """Folders of runs; several are an ensemble."""
    weights: str | None = None
    """"best", "last" or a file, as in `Predictor.from_run`."""
    tta: bool = False
    """Test-time augmentation."""
    crop: bool = True
    """True to use only the ultrasound fan."""
    postprocessing: Path | None = None
    """cross_validation.json with a choice of post-processing."""
    spacing_mm: tuple[float, float] | None = None
    """Millimetres between rows and between columns; None uses the spacing of every file."""
    written: tuple[str, ...] = ("masks", "measurements")
    """What is written for every clip: names in `FILES`."""
    device: str = "auto"
    """Device of the computation; it is no part of the hash."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.written if name not in FILES]:
            raise ValueError(
                f"{', '.join(unknown)} cannot be written; there are {', '.join(FILES)}"
            )

    @functools.cached_property
    def hash(self) -> str:
        """SHA-256 of the weights, configs and settings, and the version of lgrseg, in hex.

        Raises:
            FileNotFoundError: there is no such run, or it has no such checkpoint.
        """
        files = [path for run in self.runs for path in run_files(run, self.weights)]
        files += [self.postprocessing] if self.postprocessing else []
        settings = (self.tta, self.crop, self.spacing_mm, sorted(self.written))
        return mark_of([*files, repr(settings), lgrseg.__version__]).removeprefix(MARK)

    def key_of(self, clip_hash: str) -> str:
        """Key of the results of a clip, in hex.

        Args:
            clip_hash: SHA-256 of the clip's file, in hex.
        """
        return mark_of([clip_hash, self.hash]).removeprefix(MARK)

    def load(self) -> Predictor:
        """Load the models.

        Raises:
            FileNotFoundError: there is no such run, or it has no such checkpoint.
            ValueError: the runs have different classes, or need boxes.
        """
        predictor = Predictor.from_run(
            self.runs,
            weights=self.weights,
            device=self.device,
            tta=self.tta,
            crop=self.crop,
            postprocessing=self.postprocessing,
        )
        for member in predictor.members:
            member.check_boxes(None)
        return predictor

    def as_json(self) -> str:
        """Describe the recipe for people, with its hash."""
        facts = asdict(self) | {"hash": self.hash, "lgrseg": lgrseg.__version__}
        return json.dumps(facts, indent=1, default=str)
