r"""The phantom: simulated hearts in CardiacUDC's and CAMUS's raw layouts, with known truth.

It needs no download and exercises the real readers: `generate` writes files as CardiacUDC has them,
and they are prepared as CardiacUDC is. There are two presets: "demo", which is learnt in minutes on
a laptop, and "study", with weak contrast, heavy shadows and hearts of very different shapes.

    python tools/prepare_dataset.py phantom_demo --raw datasets/raw/phantom_demo \\
        --out datasets/phantom_demo
"""

import functools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.datasets import cardiac_udc
from lgrseg.data.phantom.heart import Heart
from lgrseg.data.phantom.scan import Scan, Scanner
from lgrseg.data.raw_video import RawVideo
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records

UNLABELLED_SITE = "Site_P_5"
SITE_SPLIT = {"train": ("Site_P_1", "Site_P_2"), "val": ("Site_P_3",), "test": ("Site_P_4",)}
"""No site is in two parts; Site_P_5 has no labels."""


@dataclass(frozen=True)
class Preset:
    """Number of videos of a phantom, and their difficulty."""

    videos_per_site: tuple[int, int, int, int, int]
    num_frames: int
    variation: float
    """Spread of shapes and positions; 1 is that of the demo."""
    gain_db: tuple[float, ...]
    range_db: tuple[float, ...]
    noise: float
    shadow: float
    """Strength of the strongest shadows, 0 to 1."""
    dropout_db: float = 0.0
    """Median of the drop-out of a recording; see Scan."""
    haze: float = 0.0
    """Median of the haze of a recording; see Scan."""


PRESETS = {
    "demo": Preset(
        videos_per_site=(8, 8, 4, 6, 2),
        num_frames=36,
        variation=1.0,
        gain_db=(0, 3, -2, 1.5, 0),
        range_db=(48, 52, 46, 50, 48),
        noise=0.012,
        shadow=0.6,
    ),
    "study": Preset(
        videos_per_site=(40, 40, 20, 30, 30),
        num_frames=60,
        variation=2.2,
        gain_db=(-6, 2, -9, 4, 0),
        range_db=(34, 62, 38, 56, 48),
        noise=0.05,
        shadow=0.97,
        dropout_db=16.0,
        haze=0.08,
    ),
}
NUM_ANNOTATED = 6
METADATA = Metadata(
    classes=cardiac_udc.CHAMBERS,
    colors=cardiac_udc.METADATA.colors,
    source="Simulated by lgrseg/data/datasets/phantom.py; no download.",
)


def scans(preset: str, *, seed: int = 0) -> dict[str, Scan]:
    """All recordings of a phantom: "Site_P_1/patient3-4" -> scan; equal for equal seeds."""
    settings = PRESETS[preset]
    recordings = {}
    for site, count in enumerate(settings.videos_per_site):
        for number in range(1, count + 1):
            rng = np.random.default_rng([seed, site, number])
            scan = _scan(settings, site, rng, seed=int(rng.integers(2**31)))
            if (site, number) == (0, 2):
                scan.black_first = True
            if number % 4 == 3:
                scan.slide_mm = float(rng.choice([-1, 1]) * 70)
            recordings[f"Site_P_{site + 1}/patient{number}-4"] = scan
    return recordings


def _scan(settings: Preset, site: int, rng: np.random.Generator, *, seed: int) -> Scan:
    spread = settings.variation

    def around(value: float, part: float) -> float:
        return float(value * (1 + part * spread * rng.uniform(-1, 1)))

    plain = Heart()
    heart = replace(
        plain,
        lv_length=around(plain.lv_length, 0.08),
        lv_half_width=around(plain.lv_half_width, 0.13),
        rv_half_width=around(plain.rv_half_width, 0.13),
        la_length=around(plain.la_length, 0.10),
        la_half_width=around(plain.la_half_width, 0.13),
        ra_half_width=around(plain.ra_half_width, 0.13),
        wall=around(plain.wall, 0.12),
        thinning=around(plain.thinning, 0.25),
        apex_depth=around(plain.apex_depth, 0.12),
        tilt=float(rng.uniform(-0.12, 0.12) * spread),
        shift=float(rng.uniform(-7, 7) * spread),
        cycle=int(rng.integers(18, 30)),
    )
    scanner = Scanner(
        size=((240, 320), (224, 288), (256, 320), (240, 304), (240, 320))[site],
        depth_mm=(165.0, 178.0, 170.0, 172.0, 165.0)[site],
        half_angle=(0.68, 0.74, 0.66, 0.70, 0.68)[site],
        gain_db=settings.gain_db[site],
        range_db=settings.range_db[site],
        noise=settings.noise,
        grain=((1.1, 1.3), (1.5, 1.1), (1.0, 1.6), (1.3, 1.3), (1.1, 1.3))[site],
        text=f"SITE {site + 1}",
    )
    angle = scanner.half_angle
    shadows = [
        (float(rng.uniform(-angle, angle)), float(rng.uniform(0.05, 0.14)), settings.shadow)
        for _ in range(rng.integers(0, 3))
    ]
    return Scan(
        heart,
        scanner,
        settings.num_frames,
        seed,
        shadows=shadows,
        dropout_db=settings.dropout_db * float(rng.uniform(0.6, 1.4)),
        haze=settings.haze * float(rng.uniform(0.5, 1.5)),
    )


def annotated_frames(scan: Scan) -> list[int]:
    """Indices of a few frames over the recording, as in CardiacUDC; never a black one."""
    first = 1 if scan.black_first else 0
    return np.linspace(first, scan.num_frames - 1, NUM_ANNOTATED).round().astype(int).tolist()


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
        frames, last = scan.frames(), round(0.38 * scan.heart.cycle)
        start = scan.heart.cycle if scan.black_first else 0
        half = list(range(start, start + last + 1))
        for view in ("2CH", "4CH"):
            for kind, indices in (("ED", half[:1]), ("ES", half[-1:]), ("half_sequence", half)):
                stem = folder / f"{name}_{view}_{kind}"
                labels = np.stack([scan.left_heart_labels(i) for i in indices])
                _save(Path(f"{stem}.nii.gz"), frames[indices], scan.scanner.mm_per_pixel)
                _save(Path(f"{stem}_gt.nii.gz"), labels, scan.scanner.mm_per_pixel)
            (folder / f"Info_{view}.cfg").write_text(
                f"ED: 1\nES: {len(half)}\nNbFrame: {len(half)}\nSex: F\nAge: 56\n"
                f"ImageQuality: Good\nEF: {100 * scan.heart.ejection_fraction():.0f}\n"
                "FrameRate: 50.0\n"
            )
    parts = {"training": names[:-2], "validation": names[-2:-1], "testing": names[-1:]}
    (raw / "database_split").mkdir(exist_ok=True)
    for part, members in parts.items():
        (raw / "database_split" / f"subgroup_{part}.txt").write_text("\n".join(members) + "\n")


def _save(path: Path, frames: np.ndarray, spacing: float) -> None:
    """Write (T, H, W) as (x, y, t), and a single frame as (x, y)."""
    array = frames.transpose(2, 1, 0)
    array = array[..., 0] if len(frames) == 1 else array
    import nibabel

    nibabel.save(nibabel.Nifti1Image(array, np.diag([spacing, spacing, 1, 1])), path)


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
