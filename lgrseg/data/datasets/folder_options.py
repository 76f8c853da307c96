"""The command line of a folder of clips: its options, and the folder that they describe."""

import argparse
from pathlib import Path

from lgrseg.data.class_list import read_class_list
from lgrseg.data.datasets.folder import ClipFolder
from lgrseg.data.own_store import TABLE


def add_folder_options(parser: argparse.ArgumentParser) -> None:
    """Options of tools/prepare_dataset.py for a folder of clips."""
    group = parser.add_argument_group("for `folder`, clips of your own with masks beside them")
    group.add_argument("--classes", type=Path, metavar="YAML", help="names of the structures")
    group.add_argument(
        "--splits", type=Path, metavar="CSV", help="columns clip, patient, split; random without it"
    )
    group.add_argument(
        "--patient-pattern", metavar="REGEX", help="finds the patient in a clip's name"
    )
    group.add_argument("--folds", type=int, metavar="K", help="divide the patients into K folds")
    group.add_argument("--split-seed", type=int, default=0, help="seed of random splits")
    group.add_argument(
        "--first-frame", type=int, default=0, choices=(0, 1),
        help="number of a clip's first frame in names of mask files (default 0)",
    )  # fmt: skip
    group.add_argument("--no-crop", action="store_true", help="keep the picture around the fan")


def folder_of(arguments: argparse.Namespace) -> ClipFolder:
    """Make a ClipFolder from a command line with `add_folder_options`.

    Without --splits, a table that is already in the prepared dataset is used, so that edits in it
    are kept.

    Raises:
        ValueError: --classes is missing, or its file cannot be understood.
        FileNotFoundError: a file of the command does not exist.
    """
    if arguments.classes is None:
        raise ValueError(
            "a folder of clips needs --classes FILE: a YAML list of the structures in the order of "
            "the masks' values, such as [left_ventricle, myocardium, left_atrium]"
        )
    earlier = arguments.out / TABLE
    if arguments.splits is None and earlier.is_file():
        print(f"using {earlier} of an earlier preparation; delete it to draw new splits")
    return ClipFolder(
        classes=read_class_list(arguments.classes),
        table=arguments.splits,
        earlier=earlier if earlier.is_file() else None,
        patient_pattern=arguments.patient_pattern,
        num_folds=arguments.folds,
        seed=arguments.split_seed,
        first_number=arguments.first_frame,
        crop_to_fan=not arguments.no_crop,
    )
