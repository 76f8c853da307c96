"""Segments one clip of an archive and stores its results whole, under a key of its content."""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from lgrseg.batch.clip_list import ArchiveClip
from lgrseg.batch.place import Place, StorageError
from lgrseg.batch.recipe import FILES, Recipe
from lgrseg.batch.rows import DONE, failed_row
from lgrseg.data.io.mask_files import write_masks
from lgrseg.data.io.placement import affine_of_file
from lgrseg.data.io.remote import local_file
from lgrseg.failures import describe_error
from lgrseg.inference.film import write_film
from lgrseg.inference.result import Result
from lgrseg.inference.result_files import MARK
from lgrseg.inference.saving import facts_of
from lgrseg.inference.table import row_of
from lgrseg.visualization.overlays import write_png

try:
    import fcntl
except ImportError:  # Windows: two processes may then compute two equal clips at the same time
    fcntl = None  # type: ignore[assignment]

LAST_FILE = "row.json"
"""Written after the other files of a clip, so they are whole if it is there."""


class ClipSegmenter:
    """The work on one clip, the same for every executor: `segment(clip)` gives its row."""

    def __init__(self, recipe: Recipe, output: str, threads: int, number: int = 0):
        """Load the models.

        Args:
            recipe: models and settings.
            output: folder or URL of the results.
            threads: number of threads of torch.
            number: number of this worker on its machine, from 0, which chooses its GPU.
        """
        torch.set_num_threads(threads)
        if gpus := torch.cuda.device_count():
            os.environ["LOCAL_RANK"] = str(number % gpus)
        self.recipe, self.place, self.predictor = recipe, Place(output), recipe.load()

    def __call__(self, clip: ArchiveClip) -> dict:
        """Segment a clip, unless the results of the same bytes are there, and make its row.

        Returns:
            The row of the clip, also of one that cannot be read or segmented.

        Raises:
            MemoryError: the memory of the CPU or GPU is too small; a new process may succeed.
            StorageError: the results cannot be written, which is no fault of the clip.
        """
        start, start_cpu = time.perf_counter(), time.process_time()
        key = ""
        try:
            with local_file(clip.path) as file:
                with open(file, "rb") as opened:
                    clip_hash = hashlib.file_digest(opened, "sha256").hexdigest()
                key = self.recipe.key_of(clip_hash)
                with _only_here(key):
                    row, was_there = self._row_of(file, key)
        except (StorageError, MemoryError):
            raise
        except torch.OutOfMemoryError as error:
            raise MemoryError(describe_error(error)) from error
        except Exception as error:  # of any reader; the other clips continue
            row, was_there = failed_row(clip, describe_error(error)), False
        return row | {
            "path": clip.path,
            "version": clip.version,
            "key": key,
            "was_there": was_there,
            "seconds": round(time.perf_counter() - start, 3),
            "cpu_seconds": round(time.process_time() - start_cpu, 3),
        }

    def _row_of(self, file: Path, key: str) -> tuple[dict, bool]:
        """The row of stored results, which are made if they are not there."""
        folder = f"results/{key[:2]}/{key}"
        if stored := self.place.read(f"{folder}/{LAST_FILE}"):
            return json.loads(stored), True
        result = self.predictor(file, spacing_mm=self.recipe.spacing_mm)
        result.made_by = MARK + key
        facts = facts_of(result)
        del facts["clip"], facts["file"]  # other clips may have the same bytes
        with tempfile.TemporaryDirectory(prefix="lgrseg_batch_") as made:
            for name in sorted(
                self.recipe.written, key="measurements".__eq__
            ):  # the notes are last
                _write(name, Path(made) / FILES[name], result, facts)
            for path in sorted(Path(made).iterdir()):
                self.place.write(f"{folder}/{path.name}", path.read_bytes())
        row = {"status": DONE, "reason": "", **row_of(facts)}
        self.place.write(f"{folder}/{LAST_FILE}", json.dumps(row, allow_nan=False).encode())
        return row, False


def _write(name: str, path: Path, result: Result, facts: dict) -> None:
    if name == "masks":
        assert result.path is not None
        affine = affine_of_file(result.path, result.video.spacing_mm)
        shape = result.masks.shape
        write_masks(path, result.masks, shape=shape, affine=affine, made_by=result.made_by)
    elif name == "measurements":
        path.write_text(json.dumps(facts, indent=1, allow_nan=False), encoding="utf-8")
    elif name == "preview":
        write_png(path, result.preview())
    else:
        frames, fps = result.video.frames, result.video.fps
        if why_not := write_film(path, frames, result.masks, metadata=result.metadata, fps=fps):
            facts["notes"].append(why_not)


@contextlib.contextmanager
def _only_here(key: str) -> Iterator[None]:
    """Context in which no other process of this machine works on the same key.

    Then of clips with the same bytes the first is computed, and the others find its results. The
    system gives the lock back if the process is killed.
    """
    if fcntl is None:
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"lgrseg_batch_locks_{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / key[:3], "wb") as lock:  # 4096 files at most
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
