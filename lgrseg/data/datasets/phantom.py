r"""The phantom: simulated hearts in CardiacUDC's and CAMUS's raw layouts, with known truth.

It needs no download and exercises the real readers: `generate` writes files as CardiacUDC has them,
and they are prepared as CardiacUDC is. There are two presets: "demo", which is learnt in minutes on
a laptop, and "study", with weak contrast, heavy shadows and hearts of very different shapes.

    python tools/prepare_dataset.py phantom_demo --raw datasets/raw/phantom_demo \\
        --out datasets/phantom_demo
"""

import functools
import json
from dataclasses import asdict
from pathlib import Path

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.datasets import cardiac_udc
from lgrseg.data.phantom.presets import PRESETS, scans
from lgrseg.data.phantom.raw_layouts import annotated_frames, write_scan
from lgrseg.data.raw_video import RawVideo
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records

UNLABELLED_SITE = "Site_P_5"
SITE_SPLIT = {"train": ("Site_P_1", "Site_P_2"), "val": ("Site_P_3",), "test": ("Site_P_4",)}
"""No site is in two parts; Site_P_5 has no labels."""


METADATA = Metadata(
    classes=cardiac_udc.CHAMBERS,
    colors=cardiac_udc.METADATA.colors,
    source="Simulated by lgrseg/data/datasets/phantom.py; no download.",
)


def write_raw(preset: str, raw: Path, *, seed: int = 0) -> None:
    """Write a phantom in CardiacUDC's raw layout, with truth.json beside it.

    truth.json has for every video the LV's volume in ml at each frame, the ejection fraction, the
    fan's box and the heart's parameters. One label file has outlines only.
    """
    from tqdm import tqdm

    truth = {}
    for name, scan in tqdm(scans(preset, seed=seed).items(), desc="simulating", unit="video"):
        unlabelled = name.startswith(UNLABELLED_SITE)
        write_scan(
            raw,
            name,
            scan,
            annotated=None if unlabelled else annotated_frames(scan),
            outlines_only=name == "Site_P_2/patient1-4",
        )
        truth[name] = {
            "lv_volume_ml": [scan.heart.lv_volume(t) for t in range(scan.num_frames)],
            "ejection_fraction": scan.heart.ejection_fraction(),
            "fan_box": scan.scanner.fan_box(),
            "heart": asdict(scan.heart),
        }
    (raw / "truth.json").write_text(json.dumps(truth, indent=1), encoding="utf-8")


class PhantomSource:
    """The raw dataset of one preset, for tools/prepare_dataset.py."""

    def __init__(self, preset: str):
        self.preset = preset

    def generate(self, raw: Path) -> None:
        """Write the raw files, unless they exist."""
        if not (raw / "truth.json").is_file():
            write_raw(self.preset, raw)

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """List the videos like CardiacUDC's, with their true ejection fractions in per cent."""
        videos, problems = cardiac_udc.find_videos(raw)
        file = raw / "truth.json"
        truth = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for video in videos:
            video.split = cardiac_udc.split_of_site(video.site, SITE_SPLIT)
            if video.video_id in truth:
                fraction = 100 * truth[video.video_id]["ejection_fraction"]
                video.facts["reference_ejection_fraction"] = fraction
        return videos, problems


def list_videos(preset: str, split: str) -> list[VideoRecord]:
    """Records of "train", "val", "test" or "unlabelled".

    Raises:
        FileNotFoundError: the phantom is not prepared.
    """
    name = f"phantom_{preset}"
    records = read_records(
        data_root() / name,
        how_to_get=f"Make it: python tools/prepare_dataset.py {name} --raw datasets/raw/{name} "
        f"--out datasets/{name} (or a folder {name} below LGRSEG_DATASETS).",
    )
    if split == "unlabelled":
        return [record for record in records if not record.annotated_frames]
    return [record for record in records if record.site in SITE_SPLIT[split]]


for _preset in PRESETS:
    for _split in (*SITE_SPLIT, "unlabelled"):
        _name = f"phantom_{_preset}_{_split}"
        DatasetCatalog.register(_name, functools.partial(list_videos, _preset, _split))
        MetadataCatalog.register(_name, METADATA)
