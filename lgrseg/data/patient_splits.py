"""Which clip is of which patient, and in which part of a dataset: a table that users can edit.

    clip,patient,split
    anna/rest,anna,train
    ben/rest,ben,val

`fold` is a further column where the patients are divided into folds, and ed_frame, es_frame may
name the frames of end-diastole and end-systole, counted from 0. A patient is in one part only.
"""

import csv
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from lgrseg.config.suggestions import did_you_mean
from lgrseg.data.folder_names import FRAME_FOLDERS

SHARES = {"val": 0.15, "test": 0.15}
"""Of the patients; the others are in train."""


@dataclass(frozen=True)
class ClipRow:
    """A line of the table; what is not known is empty."""

    clip: str
    patient: str = ""
    split: str = ""
    fold: str = ""
    ed_frame: str = ""
    es_frame: str = ""

    def phase(self, name: str) -> int | None:
        """The frame in column `name`, None where it is empty."""
        text = getattr(self, name)
        return int(text) if text else None


COLUMNS = tuple(field.name for field in fields(ClipRow))


def read_table(file: Path) -> list[ClipRow]:
    """The lines of a CSV file; columns in any order, `clip` and one more at least.

    Raises:
        FileNotFoundError: no such file.
        ValueError: an unknown column, a clip twice, or a field that is no number.
    """
    with open(file, encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        names = [str(name).strip().lower() for name in reader.fieldnames or ()]
        for name in names:
            if name not in COLUMNS:
                raise ValueError(
                    f"{file}: there is no column {name!r}{did_you_mean(name, COLUMNS)}; known are "
                    f"{', '.join(COLUMNS)}"
                )
        if "clip" not in names or len(names) < 2:
            raise ValueError(f"{file} has the columns {names}; wanted are clip, patient, split")
        reader.fieldnames = names
        rows = [
            ClipRow(**{name: (line[name] or "").strip() for name in names})
            for line in reader
            if any(line[name] for name in names)
        ]
    seen: set[str] = set()
    for row in rows:
        if row.clip in seen:
            raise ValueError(f"{file} names the clip {row.clip!r} twice")
        seen.add(row.clip)
        for name in ("fold", "ed_frame", "es_frame"):
            if not re.fullmatch(r"\d*", getattr(row, name)):
                raise ValueError(
                    f"{file}, {row.clip}: {name} is a whole number from 0, or empty, not "
                    f"{getattr(row, name)!r}"
                )
    return rows


def write_table(rows: list[ClipRow], file: Path) -> None:
    """Write the lines; columns after `split` only where a line fills them."""
    names = [n for n in COLUMNS if n in COLUMNS[:3] or any(getattr(row, n) for row in rows)]
    with open(file, "w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def check_patients(rows: list[ClipRow], *, source: str) -> None:
    """Refuse a patient in two parts or folds: what was trained on would be tested on.

    Raises:
        ValueError: there is one.
    """
    for column in ("split", "fold"):
        parts: dict[str, set[str]] = {}
        for row in rows:
            parts.setdefault(row.patient, set()).add(getattr(row, column))
        for patient, names in parts.items():
            if len(names) > 1:
                shown = " and ".join(sorted(name or "none" for name in names))
                raise ValueError(
                    f"{source}: patient {patient} is in {column} {shown}; give all clips of a "
                    "patient one, else what is trained on is also tested on"
                )


def patients_of(clips: list[str], pattern: str | None) -> tuple[dict[str, str], dict[str, str]]:
    r"""The patient of every clip, and the clips of which it is not known, with the reason.

    Args:
        clips: names: places in the folder, without the suffix.
        pattern: a regular expression that is searched for in the name; its group `patient`, else
            its first group, else all that it matches is the patient, such as r"(?P<patient>\w+)_".
            None takes the folder that a clip lies in, or the clip's name where there is none.

    Raises:
        ValueError: it is no regular expression.
    """
    if pattern is None:
        return _by_folder(clips), {}
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"--patient-pattern {pattern!r} is no regular expression: {error}"
        ) from None
    patients, problems = {}, {}
    for clip in clips:
        found = expression.search(clip)
        if not found:
            problems[clip] = f"--patient-pattern {pattern!r} is not in its name: whose clip is it?"
            continue
        group = "patient" if "patient" in expression.groupindex else min(1, expression.groups)
        patients[clip] = found[group] or ""
    return patients, problems


def _by_folder(clips: list[str]) -> dict[str, str]:
    """The topmost folder that tells clips apart; the clip's own name where none does."""
    places = {
        clip: [part for part in clip.split("/")[:-1] if part.lower() not in FRAME_FOLDERS]
        for clip in clips
    }
    while len({tuple(place[:1]) for place in places.values()}) == 1 and any(places.values()):
        places = {clip: place[1:] for clip, place in places.items()}
    return {clip: place[0] if place else clip for clip, place in places.items()}


def with_splits(rows: list[ClipRow], labelled: set[str], *, seed: int) -> list[ClipRow]:
    """The rows with a split for every patient: those without one are drawn.

    Of the patients with labels 15% are in val and in test, one each at least where there are three;
    patients without any label are in train. Who has a split keeps it.

    Args:
        rows: rows of all clips.
        labelled: names of the clips that have labels.
        seed: seed of the order in which patients are drawn.
    """
    split_of = {row.patient: row.split for row in rows if row.split}
    patients = sorted({row.patient for row in rows if row.clip in labelled})
    waiting = [patient for patient in _shuffled(patients, seed) if patient not in split_of]
    for number, (name, share) in enumerate(SHARES.items()):
        wanted = max(round(share * len(patients)), int(len(patients) >= 2 + number))
        present = sum(split_of.get(patient) == name for patient in patients)
        for patient in waiting[: max(0, wanted - present)]:
            split_of[patient] = name
            waiting.remove(patient)
    return [replace(row, split=split_of.get(row.patient, "train")) for row in rows]


def with_folds(
    rows: list[ClipRow], labelled: set[str], *, num_folds: int, seed: int
) -> list[ClipRow]:
    """The rows with a fold for every patient with labels that is not kept apart as a test.

    Args:
        rows: rows of all clips; those with a split other than train and val stay out of the folds.
        labelled: names of the clips that have labels.
        num_folds: number of folds, of about equally many patients each.
        seed: seed of the order in which patients are drawn.

    Raises:
        ValueError: there are fewer patients than folds.
    """
    apart = {row.patient for row in rows if row.split not in ("", "train", "val")}
    patients = sorted({row.patient for row in rows if row.clip in labelled} - apart)
    if not 2 <= num_folds <= len(patients):
        raise ValueError(
            f"--folds is 2 to the number of patients with labels, here {len(patients)}, not "
            f"{num_folds}"
        )
    kept = {row.patient: row.fold for row in rows if row.fold}
    fold_of = {patient: kept[patient] for patient in patients if patient in kept}
    if any(int(fold) >= num_folds for fold in fold_of.values()):
        raise ValueError(f"the table has folds of {num_folds} and more; --folds is {num_folds}")
    for patient in _shuffled(patients, seed):
        if patient not in fold_of:
            sizes = [list(fold_of.values()).count(str(k)) for k in range(num_folds)]
            fold_of[patient] = str(sizes.index(min(sizes)))
    return [
        replace(row, fold=fold_of.get(row.patient, ""), split=row.split or "train") for row in rows
    ]


def _shuffled(patients: list[str], seed: int) -> list[str]:
    return [patients[k] for k in np.random.default_rng(seed).permutation(len(patients))]
