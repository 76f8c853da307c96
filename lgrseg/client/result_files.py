"""Results of a job as files of the user: which are loaded, and where they lie."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.client.records import Job, ResultFile

LONGEST_STEM = 180
"""Most bytes of a clip's name in the name of a result; file systems allow 255 altogether."""


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
    return output / f"{stem_of(job.name) or job.id}_{name}"


def stem_of(name: str) -> str:
    """The name of a clip without folders and ending, short enough for names of results."""
    stem = Path(name).name
    for ending in (".nii.gz", ".gz"):
        stem = stem.removesuffix(ending)
    stem = Path(stem).stem if "." in stem.strip(".") else stem
    return stem.encode()[:LONGEST_STEM].decode(errors="ignore")
