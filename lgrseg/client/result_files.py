"""Results of a job as files of the user: which are loaded, and where they lie."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.client.records import Job, ResultFile


def chosen_results(job: Job, names: Sequence[str] | None) -> list[ResultFile]:
    """Results of these names; with None, all but those for players."""
    if names is None:
        return [result for result in job.results if not result.name.endswith(".bin")]
    return [result for result in job.results if result.name in names]


def write_result(output: Path, job: Job, result: ResultFile, content: bytes) -> Path:
    """Write a result file as `target_of` names it.

    Raises:
        ValueError: the content differs from what the service says of it.
    """
    if hashlib.sha256(content).hexdigest() != result.sha256:
        raise ValueError(f"{result.name} was damaged on the way: load it again")
    path = target_of(output, job, result.name)
    with appears_whole(path) as half_done:
        half_done.write_bytes(content)
    return path


def target_of(output: Path, job: Job, name: str) -> Path:
    """Where a result is written: OUTPUT/CLIP_masks.nii.gz, as `lgrseg predict` names it."""
    stem = Path(job.name or job.id).name
    for ending in (".nii.gz", ".gz"):
        stem = stem.removesuffix(ending)
    stem = Path(stem).stem if "." in stem.strip(".") else stem
    return output / f"{stem or job.id}_{name}"
