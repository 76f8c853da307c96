"""Segmenting an archive of many clips, on one machine or several.

    from lgrseg.batch import Recipe, read_archive, run_batch
    from lgrseg.inference.pretrained import pretrained_run

    if __name__ == "__main__":  # the worker processes import this file
        report = run_batch(Recipe(runs=(pretrained_run(),)), "clips", "output/archive", workers=2)
        print(report.describe())
        print(read_archive("output/archive").to_pandas())

A name is loaded when it is first used, so a process that only supervises others stays small.
"""

from lgrseg.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "AlreadyWrittenError": "lgrseg.batch.rows",
        "ArchiveClip": "lgrseg.batch.clip_list",
        "Lost": "lgrseg.batch.local_workers",
        "Place": "lgrseg.batch.place",
        "Recipe": "lgrseg.batch.recipe",
        "Report": "lgrseg.batch.run",
        "StorageError": "lgrseg.batch.place",
        "WorkersError": "lgrseg.batch.local_workers",
        "in_shard": "lgrseg.batch.clip_list",
        "list_clips": "lgrseg.batch.clip_list",
        "parse_shard": "lgrseg.batch.clip_list",
        "read_archive": "lgrseg.batch.rows",
        "run_batch": "lgrseg.batch.run",
        "run_locally": "lgrseg.batch.local_workers",
        "run_with_ray": "lgrseg.batch.ray_workers",
    },
)
