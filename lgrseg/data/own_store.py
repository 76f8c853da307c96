"""Prepared datasets of your own clips, which contain their own description.

    datasets/mine/dataset.json    classes, colours, roles
    datasets/mine/splits.csv      clip, patient, split, and fold if there are folds
    datasets/mine/<clip>/...      see store.py

The table determines the names in the catalog. It is read at every use, so edits take effect at
once. The names are mine_train, mine_val, mine_test (or any other word in the column split),
mine_fold0_train, mine_fold0_val, ..., mine_unlabelled and mine_fold0_unlabelled. The unlabelled
parts have the clips without an annotated frame, of patients that are used for training.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

from lgrseg.data.patient_splits import ClipRow, check_patients, read_table
from lgrseg.data.record import VideoRecord
from lgrseg.data.store import read_records

FACTS, TABLE = "dataset.json", "splits.csv"
_FOLD = re.compile(r"fold(?P<fold>\d+)_(?P<part>train|val|unlabelled)")


def store_of(name: str, root: Path) -> tuple[Path, str] | None:
    """The folder and the part that a name such as mine_val means; None if there is no store.

    Args:
        name: name of the dataset in the catalog.
        root: folder of the prepared datasets.
    """
    stores = sorted((file.parent for file in root.glob(f"*/{FACTS}")), key=lambda s: -len(s.name))
    for store in stores:
        if name.startswith(f"{store.name}_"):
            return store, name.removeprefix(f"{store.name}_")
    return None


def write_facts(store: Path, *, classes, colors, roles: dict[str, str]) -> None:
    """Write dataset.json."""
    facts = {"classes": list(classes), "colors": [list(c) for c in colors], "roles": roles}
    store.mkdir(parents=True, exist_ok=True)
    (store / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_facts(store: Path) -> dict:
    """Classes, colours and roles of a store, under "classes", "colors" and "roles".

    Raises:
        ValueError: dataset.json is damaged.
    """
    file = store / FACTS
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return {
            "classes": tuple(map(str, facts["classes"])),
            "colors": tuple((int(r), int(g), int(b)) for r, g, b in facts["colors"]),
            "roles": {str(role): str(name) for role, name in facts.get("roles", {}).items()},
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged ({error}): prepare {store.name} again") from error


def list_parts(store: Path) -> list[str]:
    """Parts in the table of a store, such as train, val and fold0_train."""
    rows = read_table(store / TABLE)
    folds = sorted({int(row.fold) for row in rows if row.fold})
    return sorted({row.split for row in rows if row.split}) + [
        f"fold{fold}_{part}" for fold in folds for part in ("train", "val")
    ]


def num_folds_of(store: Path) -> int:
    """Number of folds in the table of a store.

    Raises:
        FileNotFoundError: the dataset is not prepared.
        ValueError: the table has no folds.
    """
    if not (store / TABLE).is_file():
        raise FileNotFoundError(
            f"{store} is not a prepared dataset of your own: run tools/prepare_dataset.py folder"
        )
    folds = {int(row.fold) for row in read_table(store / TABLE) if row.fold}
    if not folds:
        raise ValueError(f"{store / TABLE} has no folds: prepare the dataset with --folds 5")
    return max(folds) + 1


def has_part(store: Path, part: str) -> bool:
    """Whether a part of a store has any clip."""
    try:
        return bool(records_of_part(store, part))
    except ValueError:
        return False


def records_of_part(store: Path, part: str) -> list[VideoRecord]:
    """The records of one part, with the patients from the table.

    Raises:
        FileNotFoundError: the table or the clips are missing.
        ValueError: the part has no clip, or a patient is in two parts.
    """
    rows = read_table(store / TABLE)
    check_patients(rows, source=str(store / TABLE))
    chosen = {row.clip: row for row in rows if _is_in(row, part)}
    is_labelled_part = not part.endswith("unlabelled")
    records = [
        replace(record, patient=chosen[record.video_id].patient)
        for record in read_records(store, how_to_get=f"Prepare {store.name} again.")
        if record.video_id in chosen and bool(record.annotated_frames) == is_labelled_part
    ]
    if not records:
        kind = "annotated" if is_labelled_part else "unlabelled"
        raise ValueError(
            f"{store.name} has no {kind} clip in its part {part!r}; its parts are "
            f"{', '.join(list_parts(store))} (see {store / TABLE}: you may edit it, or "
            "delete it and prepare again to draw new parts)"
        )
    return records


def _is_in(row: ClipRow, part: str) -> bool:
    fold = _FOLD.fullmatch(part)
    if fold is None:
        return row.split == ("train" if part == "unlabelled" else part)
    if fold["part"] == "val":
        return row.fold == fold["fold"]
    # Clips without labels have no fold; only those of patients in train are used for training.
    return row.fold not in (fold["fold"], "") or (not row.fold and row.split == "train")
