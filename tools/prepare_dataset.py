"""Prepare a raw dataset for training.

    python tools/prepare_dataset.py camus --raw DOWNLOAD --out datasets/camus --workers 4
    python tools/prepare_dataset.py camus --raw DOWNLOAD --out datasets/camus --check-only
    python tools/prepare_dataset.py mine --import my_data --raw DOWNLOAD --out datasets/mine
    python tools/prepare_dataset.py folder --raw my_clips --out datasets/mine --classes classes.yaml

Prepared videos are kept, so an interrupted command continues where it was stopped. Videos whose
files or lists have changed in the download are prepared again. Everything that could not be used,
or that looks wrong, is listed at the end and in OUT/prepare_report.json. --check-only reads
everything, prepares nothing, and writes OUT/check_report.json.
"""

import argparse
import importlib
import sys
from pathlib import Path

from lgrseg.data.datasets import classes_of, raw_dataset
from lgrseg.data.datasets.base import DrawnDataset, FinishedDataset, GeneratedDataset, RawDataset
from lgrseg.data.datasets.folder_options import add_folder_options, folder_of
from lgrseg.data.prepare import prepare, print_report
from lgrseg.data.prepare.check import check, print_check, write_check


def main() -> int:
    """Run the command line; the exit status is 1 if no video could be used."""
    arguments = parsed()
    try:
        for name in arguments.modules:
            import_module(name)
        dataset, classes = asked_dataset(arguments)
        if isinstance(dataset, GeneratedDataset):
            dataset.generate(arguments.raw)
        videos, problems = dataset.find_videos(arguments.raw)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if arguments.check_only:
        found = check(videos, problems, classes, num_workers=arguments.workers)
        write_check(found, arguments.out / "check_report.json")
        print_check(found)
        return 0 if found["videos"] else nothing_usable(arguments.raw, found["unusable"])
    try:
        report = prepare(
            videos,
            problems,
            arguments.out,
            classes=classes,
            num_workers=arguments.workers,
            draw_splits=dataset.draw_splits if isinstance(dataset, DrawnDataset) else None,
        )
    except KeyboardInterrupt:
        print("interrupted; the same command continues where it was stopped", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        print(
            f"error: {error}; once this is solved, the same command continues where it was stopped",
            file=sys.stderr,
        )
        return 1
    print_report(report)
    if isinstance(dataset, FinishedDataset):
        try:
            dataset.finish(arguments.raw, arguments.out)
        except (OSError, ValueError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0 if report.num_usable else nothing_usable(arguments.raw, report.unusable)


def asked_dataset(arguments: argparse.Namespace) -> tuple[RawDataset, tuple[str, ...]]:
    """Find the raw dataset and its classes."""
    if arguments.name == "folder":
        dataset = folder_of(arguments)
        return dataset, dataset.classes.names
    return raw_dataset(arguments.name), classes_of(arguments.name)


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "name", help="name of a dataset, such as camus; or folder for your own clips"
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of the download")
    parser.add_argument("--out", type=Path, required=True, help="folder of the prepared dataset")
    parser.add_argument("--workers", type=int, default=2, help="number of processes (default 2)")
    parser.add_argument(
        "--check-only", action="store_true", help="read everything, prepare nothing"
    )
    parser.add_argument(
        "--import", dest="modules", metavar="MODULE", action="append", default=[],
        help="your own module that registers a dataset; may be given several times",
    )  # fmt: skip
    add_folder_options(parser)
    return parser.parse_args()


def import_module(name: str) -> None:
    """Import a module that is installed or in the current folder.

    Raises:
        ImportError: there is no such module.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.split(".")[0] and error.name != name:
            raise  # the module exists, but it imports one that does not
        raise ImportError(
            f"no module {name!r} is installed or is in {here}; --import needs its dotted name, "
            "such as my_data for my_data.py"
        ) from error


def nothing_usable(raw: Path, unusable: dict[str, str]) -> int:
    """Print the reasons, and return the exit status."""
    reasons = [f"{name}: {reason}" for name, reason in list(unusable.items())[:3]]
    more = f" (and {len(unusable) - 3} more)" if len(unusable) > 3 else ""
    why = f": {'; '.join(reasons)}{more}" if reasons else ""
    print(f"error: nothing in {raw} could be used{why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
