"""CardiacUDC: echocardiograms of six sites, with about 6% of the frames annotated.

Source: Yang et al., "GraphEcho: Graph-Driven Unsupervised Domain Adaptation for Echocardiogram
Video Segmentation", ICCV 2023. Academic use; see the page of the release for its terms.

Raw layout, and how its difficulties are handled:

    cardiacUDC_dataset/Site_G_20/patient<n>-<view>_image.nii.gz   (x, y, t) uint8
    cardiacUDC_dataset/Site_G_20/patient<n>-<view>_label.nii.gz   same shape; may be absent
    cardiacUDC_dataset/label_all_frame/...                        left out: other class order

* A patient is (site, number): numbers repeat from site to site.
* Outlines are filled, class by class (`fill_outlines`); one that stays open is reported.
* Frames without any label are not annotated.
* The view is in the name; what the integers mean depends on it (CLASSES_BY_VIEW).
* A file with another kind of name is reported, and all others are prepared.
"""

import functools
import hashlib
import re
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.io import read_nifti, to_uint8
from lgrseg.data.io.outlines import fill_outlines, open_outlines
from lgrseg.data.raw_video import LoadedVideo, RawVideo, UnusableVideo
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records

HOW_TO_GET = (
    "Get CardiacUDC from https://www.kaggle.com/datasets/xiaoweixumedicalai/cardiacudc-dataset, "
    "unpack all parts so that RAW holds cardiacUDC_dataset/Site_*/, and run: python "
    "tools/prepare_dataset.py cardiac_udc --raw RAW --out datasets/cardiac_udc (or a folder "
    "cardiac_udc below LGRSEG_DATASETS)."
)
CHAMBERS = ("left_ventricle", "left_atrium", "right_atrium", "right_ventricle")
"""Chambers of the apical four-chamber view, in the order of the raw values 1 to 4."""
CLASSES_BY_VIEW = {
    "1": ("left_ventricle", "right_ventricle"),
    "2": ("pulmonary_artery",),
    "3": ("left_ventricle", "right_ventricle"),
    "4": CHAMBERS,
}
"""View number in the file name: 1 parasternal long axis, 2 pulmonary artery, 3 short axis, 4 apical
four-chamber. The Kaggle release only has view 4."""
DROPPED, MERGED = {5: "epicardium"}, {6: 1}
"""Further values that occur in the files. 5 is not a cavity and becomes background. 6 is a second
part of the left ventricle and is added to it. Notes in the report state both."""

SITE_SPLIT = {
    "train": ("Site_G_100", "Site_R_126"),
    "val": ("Site_G_20", "Site_R_52"),
    "test": ("Site_G_29",),
}
"""The default split: no site is in two parts (about 181, 73 and 29 videos)."""
RANDOM_SPLIT_SEED, RANDOM_TRAIN_PERCENT = 0, 80
"""The other split, by patient: see `random_split`."""
METADATA = Metadata(
    classes=CHAMBERS,
    colors=((230, 75, 53), (77, 187, 213), (0, 160, 135), (243, 155, 34)),
    source=HOW_TO_GET,
)
_NAME = re.compile(r"patient-?(\d+)-(\d+)_image\.nii\.gz")
_EXPECTED = (
    "expected patient<n>-<view>_image.nii.gz, view 1 to 4, or patient<n>-<view>_label.nii.gz "
    "beside an image"
)


def find_videos(raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
    """List all videos below Site_*, and files with other names.

    Raises:
        FileNotFoundError: there is no site.
    """
    root = raw
    while (root / "cardiacUDC_dataset").is_dir():  # some programs nest the folder
        root = root / "cardiacUDC_dataset"
    sites = sorted(p for p in root.glob("Site_*") if p.is_dir())
    if not sites:
        raise FileNotFoundError(f"no folder Site_* in {root}. {HOW_TO_GET}")
    videos, problems = [], _left_out(root)
    for site in sites:
        files = sorted(p for p in site.iterdir() if not p.name.startswith("."))
        if not files:
            problems[site.name] = f"the folder is empty; {_EXPECTED}"
        for file in files:
            match = _NAME.fullmatch(file.name)
            if match and match[2] in CLASSES_BY_VIEW:
                videos.append(_raw_video(file, number=match[1], view=match[2]))
            elif not _belongs_to_an_image(file):
                problems[f"{site.name}/{file.name}"] = _EXPECTED
    return videos, problems


def _left_out(root: Path) -> dict[str, str]:
    """Files outside the sites, with the reason why they are not used."""
    problems = {p.name: "expected inside a folder Site_*" for p in sorted(root.glob("*.nii*"))}
    all_frames = list((root / "label_all_frame").glob("*.nii*"))
    if all_frames:
        problems["label_all_frame"] = (
            f"{len(all_frames)} files left out: their classes are not always in the order of the "
            "sites' files"
        )
    return problems


def _belongs_to_an_image(file: Path) -> bool:
    image = file.with_name(file.name.replace("_label.nii.gz", "_image.nii.gz"))
    return image != file and bool(_NAME.fullmatch(image.name)) and image.is_file()


def _raw_video(image: Path, *, number: str, view: str) -> RawVideo:
    label = image.with_name(image.name.replace("_image", "_label"))
    site = image.parent.name
    return RawVideo(
        video_id=f"{site}/patient{number}-{view}",
        sources=[image] + [label] * label.is_file(),
        patient=f"{site}/{number}",
        site=site,
        view=view,
        load=_load,
        crop_to_fan=True,
        split=split_of_site(site, SITE_SPLIT),
    )


def split_of_site(site: str | None, parts: dict[str, tuple[str, ...]]) -> str:
    """The part of the split with this site; "unlabelled" if there is none."""
    return next((part for part, sites in parts.items() if site in sites), "unlabelled")


def _load(video: RawVideo) -> LoadedVideo:
    frames, spacing = _read(video.sources[0])
    frames = to_uint8(frames)
    if len(video.sources) == 1:
        return LoadedVideo(frames=frames, masks=None, spacing_mm=spacing)
    labels, _ = _read(video.sources[1])
    if labels.shape != frames.shape:
        raise UnusableVideo(
            f"{video.sources[1].name} is (t, y, x) = {labels.shape}, the image is {frames.shape}"
        )
    labels, notes = _known_values(labels, video)
    annotated = np.flatnonzero(labels.any(axis=(1, 2)))
    if not len(annotated):
        notes.append("the label file is empty: no frame counts as annotated")
    masks, filled, still_open = {}, 0, 0
    for index in annotated.tolist():
        masks[index], count = fill_outlines(labels[index])
        filled += count
        still_open += len(open_outlines(masks[index]))
    if filled:
        notes.append(f"{filled} outlines were filled")
    if still_open:
        notes.append(f"{still_open} outlines are not closed, and remain lines")
    return LoadedVideo(frames=frames, masks=masks, spacing_mm=spacing, notes=notes)


def _read(file: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """Read a file with the axes (x, y, t) as (t, y, x), and its spacing."""
    array, spacing = read_nifti(file)
    if array.ndim != 3:
        raise UnusableVideo(f"{file.name} must have axes (x, y, t), but is {array.shape}")
    return array.transpose(2, 1, 0), (float(spacing[1]), float(spacing[0]))


def _known_values(labels: np.ndarray, video: RawVideo) -> tuple[np.ndarray, list[str]]:
    assert video.view is not None  # it is part of the file's name
    classes = CLASSES_BY_VIEW[video.view]
    values = sorted(set(np.unique(labels).tolist()) - {0})
    known = {*range(1, len(classes) + 1), *DROPPED, *MERGED}
    unknown = [value for value in values if value not in known]
    if unknown:
        raise UnusableVideo(
            f"{video.sources[1].name} holds labels {unknown}; known in view {video.view} are 1 to "
            f"{len(classes)} ({', '.join(classes)}), {sorted((*DROPPED, *MERGED))}"
        )
    notes = []
    table = np.arange(int(max(values, default=0)) + 1, dtype=np.uint8)
    for value, name in DROPPED.items():
        if value in values:
            notes.append(f"label {value} ({name}) dropped: {int((labels == value).sum())} pixels")
            table[value] = 0
    for value, joined in MERGED.items():
        if value in values:
            notes.append(f"label {value} joined to {joined}: {int((labels == value).sum())} pixels")
            table[value] = joined
    return table[labels.astype(np.intp)], notes  # whole numbers, perhaps stored as floats


def random_split(patient: str) -> str:
    """Choose "train" for 80% of the patients and "val" for the others, by seed and patient only.

    The first 8 bytes of SHA-256 of "<seed>:<site>/<number>", modulo 100, are below 80 for training.
    So the choice does not depend on the other patients.
    """
    digest = hashlib.sha256(f"{RANDOM_SPLIT_SEED}:{patient}".encode()).digest()
    return "train" if int.from_bytes(digest[:8], "big") % 100 < RANDOM_TRAIN_PERCENT else "val"


def list_videos(split: str) -> list[VideoRecord]:
    """Records of apical four-chamber videos.

    Args:
        split: "train", "val", "test" (by site), "random_train", "random_val" (by patient, labelled
            videos only), or "unlabelled": no annotated frame, and not of a site of val or test.

    Raises:
        FileNotFoundError: CardiacUDC is not prepared.
    """
    records = read_records(data_root() / "cardiac_udc", how_to_get=HOW_TO_GET)
    records = [record for record in records if record.view == "4"]
    if split == "unlabelled":
        # Sites of val and test must not be used for training, not even without labels.
        held_out_sites = (*SITE_SPLIT["val"], *SITE_SPLIT["test"])
        unlabelled = [record for record in records if not record.annotated_frames]
        return [record for record in unlabelled if record.site not in held_out_sites]
    labelled = [record for record in records if record.annotated_frames]
    if split.startswith("random_"):
        part = split.removeprefix("random_")
        return [record for record in labelled if random_split(record.patient) == part]
    return [record for record in labelled if record.site in SITE_SPLIT[split]]


for _split in (*SITE_SPLIT, "random_train", "random_val", "unlabelled"):
    DatasetCatalog.register(f"cardiac_udc_{_split}", functools.partial(list_videos, _split))
    MetadataCatalog.register(f"cardiac_udc_{_split}", METADATA)
