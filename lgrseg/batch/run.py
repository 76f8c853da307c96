"""Segments an archive of clips: each once, whatever is killed, and resumable."""

import functools
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lgrseg.batch.clip_list import ArchiveClip, in_shard, list_clips
from lgrseg.batch.local_workers import Lost, run_locally
from lgrseg.batch.place import Place
from lgrseg.batch.recipe import Recipe
from lgrseg.batch.rows import FAILED, ArchiveTable, failed_row
from lgrseg.batch.segmenter import ClipSegmenter

RECIPE = "recipe.json"
PART_SIZE = 256
"""Number of clips in a part of the table."""


@dataclass
class Report:
    """What a call of `run_batch` has done."""

    earlier: int
    """Number of clips that had a row before."""
    rows: int = 0
    """Number of new rows."""
    failed: int = 0
    """Number of new rows without results."""
    was_there: int = 0
    """Number of new rows whose results were there already: of equal clips, or of a stopped run."""
    seconds: float = 0.0
    """Time from the start, with the loading of models."""
    cpu_seconds: float = 0.0
    """Time of all cores on the clips."""

    def add(self, row: dict) -> None:
        """Count a row."""
        self.rows += 1
        self.failed += row["status"] == FAILED
        self.was_there += row["was_there"]
        self.cpu_seconds += row["cpu_seconds"]

    def describe(self) -> str:
        """Numbers, speed and cost in one line."""
        computed = self.rows - self.failed - self.was_there
        line = f"{self.earlier + self.rows} clips have a row, {self.rows} of them new: "
        line += f"{computed} computed, {self.was_there} with results that were there, "
        line += f"{self.failed} failed; {self.seconds:.0f} s"
        if computed and self.seconds:
            line += f", {3600 * self.rows / self.seconds:.0f} clips an hour"
            line += (
                f", {1000 * self.cpu_seconds / computed:.0f} CPU seconds for 1000 computed clips"
            )
        return line


def run_batch(
    recipe: Recipe,
    source: str,
    output: str,
    *,
    shard: tuple[int, int] = (0, 1),
    workers: int = 1,
    threads: int | None = None,
    attempts: int = 2,
    seconds_per_clip: float | None = None,
    part_size: int = PART_SIZE,
    retry_failed: bool = False,
    executor: Callable[..., Iterator[tuple[ArchiveClip, dict | Lost]]] = run_locally,
) -> Report:
    """Segment the clips of an archive that have no row yet.

    Results of a clip are stored under a key: the hash of its bytes, the models and the settings.
    They are there whole or not at all, so clips with the same bytes are computed once, and a
    killed run loses only the clips that were in work. Rows are committed in parts.

    Args:
        recipe: models and settings.
        source: folder, URL or list of clips, see `list_clips`.
        output: folder or URL of the results.
        shard: number of this shard, from 0, and number of shards; for job arrays.
        workers: number of processes, each with its own copy of the models.
        threads: number of torch's threads in each; None divides the cores among the workers.
        attempts: number of times that a clip is tried whose worker is killed.
        seconds_per_clip: time after which the worker of a clip is killed; None for no limit.
        part_size: number of clips in a part of the table.
        retry_failed: True to try clips again that have a row without results.
        executor: `run_locally`, or `run_with_ray`.

    Raises:
        FileNotFoundError: there are no clips, no such run, or no such checkpoint.
        ValueError: the output was made by another recipe.
        WorkersError: no worker can start, or the results cannot be stored.
        AlreadyWrittenError: another process works on the same shard.
    """
    start = time.perf_counter()
    place = Place(output)
    _check_recipe(place, recipe)
    listing = list_clips(source)
    for reason, count in listing.left_out.items():
        print(f"not used: {count} files: {reason}", file=sys.stderr)
    table = ArchiveTable(place, *shard)
    done = table.done()
    clips = in_shard(listing.clips, *shard)
    again = FAILED if retry_failed else None
    waiting = [clip for clip in clips if done.get((clip.path, clip.version), again) == again]
    report = Report(earlier=len(clips) - len(waiting))
    threads = threads or max(1, (os.cpu_count() or 1) // workers)
    make = functools.partial(ClipSegmenter, recipe, output, threads)
    results = executor(
        waiting, make, workers=workers, attempts=attempts, seconds_per_clip=seconds_per_clip
    )
    rows: list[dict] = []
    try:
        for clip, result in results:
            rows.append(failed_row(clip, result.reason) if isinstance(result, Lost) else result)
            report.add(rows[-1])
            if len(rows) == part_size:
                full, rows = rows, []
                _commit(table, full, report, start)
    finally:  # also what is ready when somebody stops it
        results.close()  # type: ignore[attr-defined]
        if rows:
            _commit(table, rows, report, start)
    report.seconds = time.perf_counter() - start
    return report


def _commit(table: ArchiveTable, rows: list[dict], report: Report, start: float) -> None:
    name = table.commit(rows)
    report.seconds = time.perf_counter() - start
    print(f"{name}: {report.describe()}", file=sys.stderr, flush=True)


def _check_recipe(place: Place, recipe: Recipe) -> None:
    """Write the recipe to the place, or compare it with the one there.

    Raises:
        ValueError: the place has results of another recipe.
    """
    stored = place.read(RECIPE)
    if stored is None:
        place.write(RECIPE, recipe.as_json().encode())
    elif f'"{recipe.hash}"' not in stored.decode():
        raise ValueError(
            f"{place.url} has results of other models, settings or another version of lgrseg (see "
            f"its {RECIPE}): choose another folder with --output"
        )
