"""Simulated recordings as raw files, in the layouts of CardiacUDC and CAMUS."""

from pathlib import Path

import numpy as np

from lgrseg.data.phantom.presets import scans
from lgrseg.data.phantom.scan import Scan

NUM_ANNOTATED = 6


def annotated_frames(scan: Scan) -> list[int]:
    """Indices of a few frames over the recording, as in CardiacUDC; never a black one."""
    first = 1 if scan.black_first else 0
    return np.linspace(first, scan.num_frames - 1, NUM_ANNOTATED).round().astype(int).tolist()


def write_scan(
    raw: Path, name: str, scan: Scan, *, annotated: list[int] | None, outlines_only: bool = False
) -> None:
    """Write one recording in CardiacUDC's raw layout; `annotated` None writes no label file."""
    image = raw / "cardiacUDC_dataset" / f"{name}_image.nii.gz"
    image.parent.mkdir(parents=True, exist_ok=True)
    frames = scan.frames()
    _save(image, frames, scan.scanner.mm_per_pixel)
    if annotated is None:
        return
    labels = np.zeros(frames.shape, np.int8)
    for index in annotated:
        labels[index] = scan.labels(index)
        if outlines_only:
            labels[index] = outlines(labels[index])
    label = image.with_name(image.name.replace("_image", "_label"))
    _save(label, labels, scan.scanner.mm_per_pixel)


def outlines(labels: np.ndarray) -> np.ndarray:
    """Keep only the pixels of every class that touch another value."""
    padded = np.pad(labels, 1, mode="edge")
    centre = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    border = np.any([centre != other for other in around], axis=0)
    return np.where(border, labels, 0)


def write_raw_camus(raw: Path, *, num_patients: int = 6, seed: int = 0) -> None:
    """Write a phantom in CAMUS's raw layout: both views, all files of each, and a split."""
    recordings = list(scans("demo", seed=seed).values())[:num_patients]
    names = [f"patient{number:04d}" for number in range(1, len(recordings) + 1)]
    for name, scan in zip(names, recordings, strict=True):
        folder = raw / "database_nifti" / name
        folder.mkdir(parents=True, exist_ok=True)
        start = scan.heart.cycle if scan.black_first else 0
        end = start + round(0.38 * scan.heart.cycle) + 1
        frames, spacing = scan.frames(end)[start:], scan.scanner.mm_per_pixel
        labels = np.stack([scan.left_heart_labels(index) for index in range(start, end)])
        parts = {"ED": slice(1), "ES": slice(-1, None), "half_sequence": slice(None)}
        for view in ("2CH", "4CH"):
            for kind, part in parts.items():
                stem = folder / f"{name}_{view}_{kind}"
                _save(Path(f"{stem}.nii.gz"), frames[part], spacing)
                _save(Path(f"{stem}_gt.nii.gz"), labels[part], spacing)
            (folder / f"Info_{view}.cfg").write_text(
                f"ED: 1\nES: {len(frames)}\nNbFrame: {len(frames)}\nSex: F\nAge: 56\n"
                f"ImageQuality: Good\nEF: {100 * scan.heart.ejection_fraction():.0f}\n"
                "FrameRate: 50.0\n"
            )
    splits = {"training": names[:-2], "validation": names[-2:-1], "testing": names[-1:]}
    (raw / "database_split").mkdir(exist_ok=True)
    for split, members in splits.items():
        (raw / "database_split" / f"subgroup_{split}.txt").write_text("\n".join(members) + "\n")


def _save(path: Path, frames: np.ndarray, spacing: float) -> None:
    """Write (T, H, W) as (x, y, t), and a single frame as (x, y)."""
    array = frames.transpose(2, 1, 0)
    array = array[..., 0] if len(frames) == 1 else array
    import nibabel

    nibabel.save(nibabel.Nifti1Image(array, np.diag([spacing, spacing, 1, 1])), path)
