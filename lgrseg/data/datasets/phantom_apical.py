r"""Simulated apical four-chamber scans with CAMUS's labels, for training without real images.

Every patient is a clip of two frames, end-diastole then end-systole, both labelled as CAMUS labels
them. Anatomy, machine and artefacts are drawn from a seed (lgrseg/data/phantom/apical_*.py), so the
raw folder holds only a list of patients, and the pictures are made while they are prepared:

    python tools/prepare_dataset.py phantom_apical --raw datasets/raw/phantom_apical \\
        --out datasets/phantom_apical --workers 4

To have another number of patients, write RAW/patients.json yourself:
{"seed": 0, "train": 1500, "val": 50}
"""

import json
from pathlib import Path

from lgrseg.data.catalog import Metadata
from lgrseg.data.datasets import camus
from lgrseg.data.phantom.apical_patients import apical_scan
from lgrseg.data.raw_video import LoadedVideo, RawVideo
from lgrseg.data.splits import register_splits

METADATA = Metadata(
    classes=camus.METADATA.classes,
    colors=camus.METADATA.colors,
    source="Simulated by lgrseg/data/datasets/phantom_apical.py; no download.",
)
PATIENTS = {"seed": 0, "train": 1500, "val": 50}
"""Default content of patients.json: the seed, and the number of patients of each part."""
SPLITS = ("train", "val")
SIMULATOR = 1
"""Version of the simulator: with a new one, all patients are made again."""
FIRST = {"train": 0, "val": 1_000_000}
"""Number of the first patient of each part; patients keep their numbers if a part grows."""


def generate(raw: Path) -> None:
    """Write patients.json, unless it exists."""
    file = raw / "patients.json"
    if not file.is_file():
        raw.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(PATIENTS, indent=1) + "\n", encoding="utf-8")


def find_videos(raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
    """List the patients; their pictures are made by `load`, in the processes that prepare them.

    Raises:
        ValueError: patients.json lacks a number.
    """
    file = raw / "patients.json"
    counts = json.loads(file.read_text(encoding="utf-8"))
    for key in PATIENTS:
        if not isinstance(counts.get(key), int) or counts[key] < 0:
            raise ValueError(f"{file} needs a number {key!r}, such as in {json.dumps(PATIENTS)}")
    videos = [
        RawVideo(
            video_id=f"{split}{number:05d}",
            sources=[],
            patient=f"{split}{number:05d}",
            view="4CH",
            load=_load,
            facts={
                "split": split,
                "seed": counts["seed"],
                "number": FIRST[split] + number,
                "simulator": SIMULATOR,
            },
        )
        for split in SPLITS
        for number in range(counts[split])
    ]
    return videos, {}


def _load(video: RawVideo) -> LoadedVideo:
    scan = apical_scan(video.facts["seed"], video.facts["number"])
    moments = [0, scan.heart.end_systole]
    spacing = scan.mm_per_pixel
    return LoadedVideo(
        frames=scan.frames(moments),
        masks={index: scan.labels(moment) for index, moment in enumerate(moments)},
        spacing_mm=(spacing, spacing),
        extra={
            "reference_ejection_fraction": 100 * scan.heart.ejection_fraction(),
            "lv_volume_ml": [scan.heart.volume(moment) for moment in moments],
            "ed_frame": 0,
            "es_frame": len(moments) - 1,
        },
    )


register_splits(
    "phantom_apical",
    SPLITS,
    METADATA,
    how_to_get="Make it: python tools/prepare_dataset.py phantom_apical --raw "
    "datasets/raw/phantom_apical --out datasets/phantom_apical (or a folder phantom_apical below "
    "LGRSEG_DATASETS).",
)
