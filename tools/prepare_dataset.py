"""Prepare a raw dataset for training.

    python tools/prepare_dataset.py camus --raw DOWNLOAD --out datasets/camus --workers 4
    python tools/prepare_dataset.py camus --raw DOWNLOAD --out datasets/camus --check-only

What is done already is kept, so an interrupted run goes on where it stopped. Everything that could
not be used is listed at the end and in OUT/prepare_report.json. --check-only opens everything,
prepares nothing, and writes OUT/check_report.json.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.check import check, print_check, write_check
from lgrseg.data.datasets import RAW
from lgrseg.data.prepare import prepare, print_report


def main() -> int:
    """Run the command line; the exit status is 1 when no video could be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(RAW))
    parser.add_argument("--raw", type=Path, required=True, help="folder of the download")
    parser.add_argument("--out", type=Path, required=True, help="folder of the prepared dataset")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--check-only", action="store_true", help="look at it, prepare nothing")
    arguments = parser.parse_args()
    dataset = RAW[arguments.name]
    try:
        if hasattr(dataset, "generate"):
            dataset.generate(arguments.raw)
        videos, problems = dataset.find_videos(arguments.raw)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.check_only:
        if hasattr(dataset, "splits_of"):
            name_splits(videos, dataset.splits_of(arguments.raw))
        found = check(videos, problems, classes_of(arguments.name), num_workers=arguments.workers)
        write_check(found, arguments.out / "check_report.json")
        print_check(found)
        return 0 if found["videos"] else 1
    try:
        report = prepare(videos, problems, arguments.out, num_workers=arguments.workers)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    if hasattr(dataset, "finish"):
        dataset.finish(arguments.raw, arguments.out)
    print_report(report)
    if not report.num_usable:
        print(f"error: nothing in {arguments.raw} could be used", file=sys.stderr)
        return 1
    return 0


def name_splits(videos: list, splits: dict[str, list[str]]) -> None:
    """Let every video say which lists name its patient: "train", or "train and test"."""
    for video in videos:
        video.facts["split"] = " and ".join(splits.get(video.patient, ["in no list"]))


def classes_of(name: str) -> tuple[str, ...]:
    """The classes of the first of a dataset's registered names."""
    registered = next(n for n in MetadataCatalog.list() if n.startswith(f"{name}_"))
    return MetadataCatalog.get(registered).classes


if __name__ == "__main__":
    sys.exit(main())
