"""What a comparison of backbones found: the records that its tables are written from.

The fields are the keys of comparison.json and, except dicts, the columns of the CSV files.
"""

from dataclasses import dataclass

from lgrseg.studies.comparison.paired import Pair


@dataclass(frozen=True)
class ComparedRow:
    """One backbone, over the runs of all its seeds."""

    row: str
    """Name of the row, from the command line."""
    weights: str
    """File of the weights, whole config with its overrides, or "random"."""
    blocks: str | None
    """Text: blocks whose output is used; None for a whole config."""
    seeds: list[int]
    num_patients: int
    num_scored: int
    """Patients with a Dice; the others have no class in truth or prediction."""
    dice: float | None
    """Mean over patients, then over seeds, 0 to 1. This and the next means and deviations are None
    if a seed lacks the value."""
    dice_sd_patients: float | None
    """Standard deviation over patients of their means over seeds; None for a single patient."""
    dice_sd_seeds: float | None
    """Standard deviation over seeds; None for a single seed."""
    dice_by_seed: list[float | None]
    hd95: float | None
    """Mean over seeds, in `distance_unit`."""
    hd95_sd_seeds: float | None
    missed: float | None
    """Mean number of masks that are empty in truth or prediction only."""
    distance_unit: str
    """"mm" or "px"."""
    parameters: int
    trained: int
    """Number of trained parameters."""
    gflops: float
    """Per image; a multiplication with its addition is one operation."""
    images_per_second: float
    memory_mib: int
    """Peak memory of prediction in MiB; on a CPU that of the whole process."""
    steps: int
    train_seconds: float
    """Mean over seeds, including the computation of features."""
    whole_config: bool
    """True if model and optimiser come from another config."""
    cached: bool
    """True if the features of the frozen encoder were cached."""
    copies: int | None
    """Number of fixed augmented copies of each training clip; 0 for unaugmented clips, None for
    the config's random augmentation."""
    precision: str | None
    """Precision of the cached features; None without a cache."""
    encoder_sha256: str | None
    """Hash of the encoder's weights before training; None for random weights that are trained and
    for a whole config without a cache."""
    patients: dict[str, float]
    """Patient -> Dice, mean over classes and seeds; NaN without a score."""


@dataclass(frozen=True)
class Table:
    """Rows that are compared with each other."""

    title: str
    machinery_check: bool
    """True if the frozen weights of the rows are random."""
    rows: list[ComparedRow]
    paired: list[Pair]
    agreement: list[dict] | None
    """Results of `agreement` with "quantity", "unit", "one" and "other"; None without volumes."""


@dataclass(frozen=True)
class Section:
    """The tables of one test dataset and one label fraction."""

    dataset: str
    label_fraction: float
    """Share of the patients whose labels were used in training, 0 to 1."""
    labelled_patients: list[str]
    labelled_videos: list[str]
    tables: list[Table]


@dataclass(frozen=True)
class BackboneComparison:
    """Everything that tools/compare_backbones.py writes."""

    config: str
    """Path of the shared config."""
    overrides: list[str]
    machine: dict[str, str | int]
    """Result of `machine.describe`."""
    sections: list[Section]
    failed: list[str]
    """Text for each run that failed, with its log."""
