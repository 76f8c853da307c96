"""Computes the disk space of a comparison's features before anything is run."""

import shutil
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from lgrseg.config import instantiate
from lgrseg.studies.comparison.feature_store import PRECISIONS
from lgrseg.studies.comparison.prepared import Prepared

GIB = 2**30


def num_images(cfg: DictConfig, fraction: float) -> int:
    """Number of different images of all training clips (with copies) and all test clips.

    Args:
        cfg: config with fixed copies.
        fraction: largest label fraction, which includes the others, 0 to 1.
    """
    train = instantiate(cfg.dataloader.train, label_fraction=fraction, seed=0)
    datasets = [(train.dataset, max(1, cfg.dataloader.train.mapper.copies))]
    for loader in cfg.dataloader.test.values():
        datasets.append((instantiate(loader).dataset, 1))
    rng = np.random.default_rng(0)
    return sum(
        copies * len(dataset.mapper.choose(record, anchor, rng, 0)[0])
        for dataset, copies in datasets
        for record, anchor in dataset.samples
    )


def plan(
    rows: list[Prepared],
    cfg: DictConfig,
    fraction: float,
    *,
    cache: Path,
    precision: str,
    limit_gib: float,
) -> list[str]:
    """Compute the maximum size of the features, as lines to print.

    Args:
        rows: rows of the comparison.
        cfg: shared config with fixed copies.
        fraction: largest label fraction, 0 to 1.
        cache: cache folder of the features.
        precision: precision of the cached features.
        limit_gib: largest allowed size in GiB.

    Raises:
        ValueError: the features need more than the limit, or more than the free space.
    """
    images, copies = num_images(cfg, fraction), cfg.dataloader.train.mapper.copies
    part = PRECISIONS[precision].itemsize / 4
    sizes = {r.row.name: images * r.bytes_per_frame * part for r in rows if r.is_cached}
    lines = [f"features of {name}: at most {size / GIB:.3f} GiB" for name, size in sizes.items()]
    total = sum(sizes.values())
    places = (cache.absolute(), *cache.absolute().parents)
    existing = next(folder for folder in places if folder.is_dir())
    free = shutil.disk_usage(existing).free
    clips = f"{copies} copies of each training clip" if copies else "training clips, unaugmented"
    lines.append(
        f"in total at most {total / GIB:.3f} GiB as {precision} in {cache}, where {free / GIB:.1f} "
        f"GiB are free ({images} images: {clips}, and the test clips)"
    )
    if total > min(free, limit_gib * GIB):
        raise ValueError(
            f"features need up to {total / GIB:.1f} GiB, but {free / GIB:.1f} GiB are free and "
            f"--max-cache-gib={limit_gib:g} are allowed: use fewer --copies, --precision float16, "
            "a smaller input_size, or another --cache"
        )
    return lines
