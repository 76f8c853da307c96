"""CAMUS: apical two- and four-chamber echocardiograms of 500 patients with expert masks.

Source: Leclerc et al., "Deep Learning for Segmentation Using an Open Large-Scale Dataset in 2D
Echocardiography", IEEE TMI 38(9), 2019, doi 10.1109/TMI.2019.2900516. CC BY-NC-SA 4.0.

Raw layout (the NIfTI release), any part of which may be missing:

    database_nifti/patient0001/patient0001_{2CH,4CH}_{ED,ES}[_gt].nii.gz
    database_nifti/patient0001/patient0001_{2CH,4CH}_half_sequence[_gt].nii.gz
    database_nifti/patient0001/Info_{2CH,4CH}.cfg
    database_split/subgroup_{training,validation,testing}.txt     the official split
    folds/subGroup{1..10}_{training,validation,testing}.txt       the ten folds of the paper

Each view becomes one clip of two frames, end-diastole then end-systole, and each half sequence a
clip from end-diastole to end-systole. The images are sectors already: nothing is cropped.
"""

import enum
import functools
import json
import re
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.datasets.camus_info import InfoFile
from lgrseg.data.io import read_nifti, to_uint8
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records

HOW_TO_GET = (
    "Get CAMUS (free after registration, CC BY-NC-SA 4.0) from "
    "https://www.creatis.insa-lyon.fr/Challenge/camus, unpack it so that RAW holds database_nifti/ "
    "and database_split/, and run: python tools/prepare_dataset.py camus --raw RAW --out "
    "datasets/camus (or a folder camus below LGRSEG_DATASETS)."
)


class Label(enum.IntEnum):
    """Values in the masks, raw and prepared alike."""

    LEFT_VENTRICLE = 1
    """Cavity of the left ventricle, inside the endocardium."""
    MYOCARDIUM = 2
    """Wall of the left ventricle, between endocardium and epicardium."""
    LEFT_ATRIUM = 3
    """Left atrium."""


METADATA = Metadata(
    classes=tuple(label.name.lower() for label in Label),
    colors=((230, 75, 53), (77, 187, 213), (0, 160, 135)),
    source=HOW_TO_GET,
)
SPLITS = {"train": "training", "val": "validation", "test": "testing"}
_IMAGE = re.compile(r"(patient\d{4})_(2CH|4CH)_(ED|ES|half_sequence)\.nii\.gz")
_INFO = re.compile(r"Info_(2CH|4CH)\.cfg")
_EXPECTED = "expected {}_{{2CH,4CH}}_{{ED,ES,half_sequence}}.nii.gz, and _gt beside an image"


def find_videos(raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
    """List all clips of a raw download, and unexpected files with the reason.

    Raises:
        FileNotFoundError: there is no patient folder.
    """
    root = raw / "database_nifti" if (raw / "database_nifti").is_dir() else raw
    folders = sorted(p for p in root.glob("patient[0-9]*") if p.is_dir())
    if not folders:
        raise FileNotFoundError(f"no folder patient0001, ... in {root}. {HOW_TO_GET}")
    videos: list[RawVideo] = []
    problems: dict[str, str] = {}
    for folder in folders:
        images = _images(folder, problems)
        if not images:
            problems[folder.name] = f"holds no image; {_EXPECTED.format(folder.name)}"
        for view in ("2CH", "4CH"):
            videos += _clips_of_view(folder, view, images, problems)
    parts = _parts_of_patients(raw)
    for video in videos:
        video.split = " and ".join(parts.get(video.patient, ["in no list"]))
    return videos, problems


def _images(folder: Path, problems: dict) -> dict[tuple[str, str], Path]:
    """(view, phase) -> image; other files in a patient's folder are added to `problems`."""
    images = {}
    for file in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        match = _IMAGE.fullmatch(file.name)
        if match and match[1] == folder.name:
            images[match[2], match[3]] = file
        elif not _INFO.fullmatch(file.name) and not _has_image(file):
            problems[f"{folder.name}/{file.name}"] = _EXPECTED.format(folder.name)
    return images


def _has_image(file: Path) -> bool:
    image = file.with_name(file.name.replace("_gt.nii.gz", ".nii.gz"))
    match = _IMAGE.fullmatch(image.name)
    is_image = match is not None and match[1] == file.parent.name
    return is_image and image != file and image.is_file()


def _clips_of_view(folder: Path, view: str, images: dict, problems: dict) -> list[RawVideo]:
    clips = []
    phases = [phase for phase in ("ED", "ES") if (view, phase) in images]
    if len(phases) == 1:
        problems[f"{folder.name}_{view}"] = f"only {phases[0]} is there; a clip needs ED and ES"
    groups = [phases] if len(phases) == 2 else []
    groups += [["half_sequence"]] if (view, "half_sequence") in images else []
    for group in groups:
        files = [images[view, phase] for phase in group]
        truths = [file.with_name(file.name.replace(".nii.gz", "_gt.nii.gz")) for file in files]
        sequence = "half_sequence" if len(group) == 1 else "ed_es"
        info = folder / f"Info_{view}.cfg"
        clips.append(
            RawVideo(
                video_id=f"{folder.name}_{view}" + ("_half_sequence" if len(group) == 1 else ""),
                sources=files + [t for t in truths if t.is_file()] + [info] * info.is_file(),
                patient=folder.name,
                view=view,
                load=_load,
                facts={"sequence": sequence},
                num_pictures=len(files),
            )
        )
    return clips


def _load(video: RawVideo) -> LoadedVideo:
    images = [file for file in video.sources if _IMAGE.fullmatch(file.name)]
    info = InfoFile(images[0].with_name(f"Info_{video.view}.cfg"))
    frames, masks, spacing = [], [], None
    for file in images:
        truth = file.with_name(file.name.replace(".nii.gz", "_gt.nii.gz"))
        image, spacing = _read(file)
        frames += list(image)
        if truth.is_file():
            labels, _ = _read(truth)
            if labels.shape != image.shape:
                raise UnusableVideo(f"{truth.name} is {labels.shape}, the image {image.shape}")
            masks += list(_checked(labels, truth.name))
    if len({frame.shape for frame in frames}) > 1:
        raise UnusableVideo(f"ED and ES differ in size: {[frame.shape for frame in frames]}")
    if masks and len(masks) != len(frames):
        raise UnusableVideo("only one of ED and ES has a mask")
    first, last, notes = info.number("ED", above=-1), info.number("ES", above=-1), []
    if len(images) == 1:
        if first is None or last is None:
            notes.append(f"Info_{video.view}.cfg lacks ED or ES: the clip is read as ED to ES")
        elif last < first:
            frames, masks = frames[::-1], masks[::-1]  # recorded from ES to ED
    rate, fraction = info.number("FrameRate"), info.number("EF", most=100)
    return LoadedVideo(
        frames=to_uint8(np.stack(frames)),  # one scale for ED and ES
        masks=dict(enumerate(masks)) if masks else None,
        spacing_mm=spacing,
        fps=rate if len(images) == 1 else None,
        notes=info.notes + notes,
        extra={
            "info": info.texts,
            "reference_ejection_fraction": fraction,
            "ed_frame": 0,
            "es_frame": len(frames) - 1,
        },
    )


def _read(file: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Read a file with the axes (lateral, depth[, time]) as (T, rows, columns), and its spacing."""
    array, spacing = read_nifti(file)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3:
        raise UnusableVideo(f"{file.name} must have axes (x, y[, t]), but is {array.shape}")
    return array.transpose(2, 1, 0), (float(spacing[1]), float(spacing[0]))


def _checked(labels: np.ndarray, name: str) -> np.ndarray:
    unknown = sorted(set(np.unique(labels).tolist()) - {0, *map(int, Label)})
    if unknown:
        raise UnusableVideo(f"{name} holds labels {unknown}; CAMUS has 0 to {max(Label)}")
    return labels.astype(np.uint8)


def finish(raw: Path, out: Path) -> None:
    """Copy the published lists of patients into the store, as splits.json."""
    raw = raw.parent if raw.name == "database_nifti" else raw
    splits = {}
    for split, name in SPLITS.items():
        splits[split] = _patients(raw / "database_split" / f"subgroup_{name}.txt")
        for fold in range(1, 11):
            splits[f"fold{fold}_{split}"] = _patients(raw / "folds" / f"subGroup{fold}_{name}.txt")
    available = {name: patients for name, patients in splits.items() if patients is not None}
    (out / "splits.json").write_text(json.dumps(available, indent=1), encoding="utf-8")


def _parts_of_patients(raw: Path) -> dict[str, list[str]]:
    """Patient -> parts of the official split whose lists name the patient."""
    raw = raw.parent if raw.name == "database_nifti" else raw
    parts: dict[str, list[str]] = {}
    for split, name in SPLITS.items():
        for patient in _patients(raw / "database_split" / f"subgroup_{name}.txt") or ():
            parts.setdefault(patient, []).append(split)
    return parts


def _patients(file: Path) -> list[str] | None:
    return file.read_text().split() if file.is_file() else None


def list_clips(split: str, sequence: str, view: str | None) -> list[VideoRecord]:
    """Records of one split: "train", "val", "test", or "fold1_train" to "fold10_test".

    Raises:
        FileNotFoundError: CAMUS is not prepared, or has no list of this split.
    """
    root = data_root() / "camus"
    records = read_records(root, how_to_get=HOW_TO_GET)
    lists = root / "splits.json"  # missing if the preparation was interrupted
    splits = json.loads(lists.read_text(encoding="utf-8")) if lists.is_file() else {}
    if split not in splits:
        raise FileNotFoundError(
            f"the prepared CAMUS in {root} has no list of patients for {split!r}, only for "
            f"{sorted(splits)}: database_split/ or folds/ was not beside the raw data. {HOW_TO_GET}"
        )
    patients = set(splits[split])
    listed = [r for r in records if r.patient in patients and r.facts["sequence"] == sequence]
    return [record for record in listed if view in (None, record.view)]


def _register() -> None:
    folds = [f"fold{fold}_{split}" for fold in range(1, 11) for split in SPLITS]
    for split in [*SPLITS, *folds]:
        for prefix, sequence, view in (
            ("camus", "ed_es", None),
            ("camus_2ch", "ed_es", "2CH"),
            ("camus_4ch", "ed_es", "4CH"),
            ("camus_half_sequence", "half_sequence", None),
        ):
            name = f"{prefix}_{split}"
            DatasetCatalog.register(name, functools.partial(list_clips, split, sequence, view))
            MetadataCatalog.register(name, METADATA)


_register()
