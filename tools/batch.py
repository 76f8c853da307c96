r"""Segment and measure an archive of clips: each once, resumable, on one machine or several.

    python tools/batch.py --input path/to/archive --output output/archive --workers 4
    python tools/batch.py --input s3://bucket/clips --output s3://bucket/results
    python tools/batch.py --input list.parquet --output output/archive --shard 3/16

INPUT is a folder or a URL of fsspec (such as s3://bucket/folder), which is searched with everything
below it; or a .txt file with one path a line; or a .csv or .parquet file with a column "path". A
clip is one file: NIfTI, MHA, DICOM, MP4, AVI, MOV, MKV, GIF, WebP, or TIFF with several pages.

OUTPUT is a folder or a URL. It gets:

    table/*.parquet     one row for every clip: path, status, reason, measurements, doubts, time
    manifest/*.json     one line for every part of the table
    results/ab/KEY/     masks.nii.gz and measurements.json, or what --write names
    recipe.json         models and settings

The same command continues where it was stopped. A clip that cannot be read has a row with the
reason. If a worker process is killed, its clip is tried again. Clips with the same bytes are
computed once. --shard NUMBER/SHARDS divides an archive among the jobs of a SLURM array, and --ray
among the machines of a Ray cluster.

Exit status: 0 if every clip has a row, also if some failed (the last line says how many); 1 after
an error; 130 after Ctrl-C or SIGTERM, which commit the rows that are ready.
"""

import argparse
import signal
import sys
from pathlib import Path


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        from lgrseg import batch
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is missing: pip install 'lgrseg[batch]'", file=sys.stderr)
        return 1
    from lgrseg.inference.pretrained import pretrained_run

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of SLURM, before a job is killed
    try:
        recipe = batch.Recipe(
            runs=tuple(arguments.ensemble or [arguments.run or pretrained_run()]),
            weights=arguments.weights,
            tta=arguments.tta,
            crop=not arguments.no_crop,
            postprocessing=arguments.postprocessing,
            spacing_mm=tuple(arguments.spacing_mm) if arguments.spacing_mm else None,
            written=tuple(arguments.write),
            device=arguments.device,
        )
        report = batch.run_batch(
            recipe,
            arguments.input,
            arguments.output,
            shard=batch.parse_shard(arguments.shard),
            workers=arguments.workers,
            threads=arguments.threads,
            attempts=arguments.attempts,
            seconds_per_clip=arguments.seconds_per_clip,
            part_size=arguments.part_size,
            retry_failed=arguments.retry_failed,
            executor=batch.run_with_ray if arguments.ray else batch.run_locally,
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return 130
    print(report.describe())
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--input", required=True, help="folder, URL or list of clips")
    parser.add_argument("--output", required=True, help="folder or URL of the results")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--run", type=Path, help="folder of a run (default: the model of lgrseg)")
    model.add_argument("--ensemble", type=Path, nargs="+", metavar="RUN", help="several runs")
    parser.add_argument("--weights", help="best, last, or a file (default: best if there is one)")
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    parser.add_argument("--no-crop", action="store_true", help="use whole frames, not the fan")
    parser.add_argument("--postprocessing", type=Path, metavar="FILE", help="cross_validation.json")
    parser.add_argument("--spacing-mm", type=float, nargs=2, metavar=("ROW", "COLUMN"))
    parser.add_argument(
        "--write",
        nargs="*",
        default=["masks", "measurements"],
        choices=("masks", "measurements", "preview", "film"),
        help="files for every clip (default: masks measurements); nothing for the table only",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument(
        "--shard", default="0/1", metavar="NUMBER/SHARDS", help="from 0/16 to 15/16"
    )
    parser.add_argument("--ray", action="store_true", help="use the machines of a Ray cluster")
    for option, default, what in (
        ("--workers", 1, "processes, each with its own copy of the models"),
        ("--attempts", 2, "times that a clip is tried whose worker is killed"),
        ("--part-size", 256, "clips in a part of the table"),
    ):
        parser.add_argument(
            option, type=_above_zero, default=default, help=f"{what} (default: {default})"
        )
    parser.add_argument("--threads", type=_above_zero, help="threads of every worker")
    parser.add_argument("--seconds-per-clip", type=float, help="then its worker is killed")
    parser.add_argument("--retry-failed", action="store_true", help="try failed clips again")
    return parser.parse_args()


def _above_zero(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
