"""Looks through images for pretraining, or writes them as WebDataset shards.

    python tools/pretraining_data.py scan path/to/images
    python tools/pretraining_data.py shards path/to/images --output shards/images --short-side 256
    python tools/pretraining_data.py shards camus_4ch_train --output shards/camus

`scan` reads every image, and the middle frame of every clip, and writes SOURCE/list.csv: near
duplicates, and what cannot be read. SOURCE/list.csv can be used in place of the folder; then both
are left out. `shards` leaves them out too, also near duplicates among the frames of one clip.
SOURCE is a folder or a URL such as s3://bucket/folder; for `shards` also a list, or the name of a
prepared dataset.
"""

import argparse
import logging
import sys

from lgrseg.failures import describe_error


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    logging.basicConfig(format="%(message)s")
    try:
        (scan if arguments.command == "scan" else shards)(arguments)
    except ModuleNotFoundError as error:
        print(f"error: this needs {error.name}: pip install '.[shards]'", file=sys.stderr)
        return 1
    except Exception as error:  # a URL may be read by any library, with errors of its own
        print(f"error: {describe_error(error)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("scan", "shards"):
        command = commands.add_parser(name)
        command.add_argument("source", help="folder, URL, list, or name of a prepared dataset")
        command.add_argument(
            "--max-distance",
            type=int,
            default=8,
            metavar="BITS",
            help="different bits of 256 of near duplicates (default 8)",
        )
    command.add_argument("--output", required=True, help="new folder or URL of the shards")
    command.add_argument(
        "--ending", choices=["jpg", "png", "npy"], default="jpg",
        help="jpg of quality 95 (default), png, or npy without compression",
    )  # fmt: skip
    command.add_argument("--short-side", type=int, metavar="PX", help="reduce frames to this size")
    command.add_argument(
        "--frames-per-clip", type=int, default=8, help="largest number of frames (default 8)"
    )
    command.add_argument(
        "--frames-per-shard", type=int, default=1000, help="largest number of frames (default 1000)"
    )
    command.add_argument("--keep-duplicates", action="store_true", help="keep near duplicates")
    command.add_argument("--seed", type=int, default=0, help="seed of the order of the files")
    return parser.parse_args()


def scan(arguments: argparse.Namespace) -> None:
    """Write the list of a tree."""
    from lgrseg.data.images.scanning import scan_tree, write_list

    rows = scan_tree(arguments.source, max_distance=arguments.max_distance)
    file = f"{arguments.source.rstrip('/')}/list.csv"
    write_list(rows, file)
    repeated = sum(bool(row.near_duplicate_of) for row in rows)
    unreadable = sum(bool(row.unreadable) for row in rows)
    print(f"{len(rows)} files: {repeated} near duplicates, {unreadable} unreadable; see {file}")


def shards(arguments: argparse.Namespace) -> None:
    """Write shards."""
    from lgrseg.data.images.writing import files_of, write_shards

    files = files_of(arguments.source)
    written = write_shards(
        files,
        arguments.output,
        ending=arguments.ending,
        frames_per_clip=arguments.frames_per_clip,
        frames_per_shard=arguments.frames_per_shard,
        short_side=arguments.short_side,
        max_distance=None if arguments.keep_duplicates else arguments.max_distance,
        seed=arguments.seed,
    )
    print(
        f"{written.frames} frames of {len(files)} files in {arguments.output}; left out: "
        f"{len(written.near_duplicates)} near duplicates, {len(written.unreadable)} unreadable "
        "files"
    )
    for organ, number in sorted(written.organs.items()):
        print(f"  {organ or '(no folder)'}: {number} frames")


if __name__ == "__main__":
    sys.exit(main())
