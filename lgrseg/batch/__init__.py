"""Segmenting an archive of many clips, on one machine or several: `run_batch`."""

from lgrseg.batch.clip_list import ArchiveClip, in_shard, list_clips, parse_shard
from lgrseg.batch.local_workers import Lost, WorkersError, run_locally
from lgrseg.batch.place import Place, StorageError
from lgrseg.batch.ray_workers import run_with_ray
from lgrseg.batch.recipe import FILES, Recipe
from lgrseg.batch.rows import AlreadyWrittenError, read_archive
from lgrseg.batch.run import PART_SIZE, Report, run_batch

__all__ = [
    "FILES",
    "PART_SIZE",
    "AlreadyWrittenError",
    "ArchiveClip",
    "Lost",
    "Place",
    "Recipe",
    "Report",
    "StorageError",
    "WorkersError",
    "in_shard",
    "list_clips",
    "parse_shard",
    "read_archive",
    "run_batch",
    "run_locally",
    "run_with_ray",
]
