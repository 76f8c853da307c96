"""The table of clips, with the patient and the split of each; users can edit it.

    clip,patient,split
    anna/rest,anna,train
    ben/rest,ben,val

If the patients are divided into folds, there is also a column `fold`. The columns ed_frame and
es_frame may give the frames of end-diastole and end-systole, counted from 0. A patient is in one
split only.
"""

import csv
import io
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.config.suggestions import did_you_mean
from lgrseg.data.folder_names import FRAME_FOLDERS

SHARES = {"val": 0.15, "test": 0.15}
"""Shares of the patients; all others are in train."""


@dataclass(frozen=True)
class ClipRow:
    """A line of the table; unknown fields are empty."""

    clip: str
    patient: str = ""
    split: str = ""
    fold: str = ""
    ed_frame: str = ""
    es_frame: str = ""

    def phase(self, name: str) -> int | None:
        """The frame in column `name`; None if it is empty."""
        text = getattr(self, name)
        return int(text) if text else None


COLUMNS = tuple(field.name for field in fields(ClipRow))


def read_table(file: Path) -> list[ClipRow]:
    r"""Read a CSV file with the column `clip` and at least one other, in any order.

    Some spreadsheet programs separate the columns by semicolons, which is read too, also with
    Excel's first line `sep=;`. A clip may be named with Windows' backslashes: anna\rest.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: not UTF-8, a column is unknown, a clip is listed twice, or a field is not a
            number.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} is not UTF-8 ({error}): save it as CSV UTF-8, so that every letter is kept"
        ) from None
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    if stated := re.match(r'"?sep=(.)"?[;,\t]*\r?\n', text, re.IGNORECASE):
        delimiter, text = stated[1], text[stated.end() :]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [str(name).strip().lower() for name in reader.fieldnames or ()]
    for name in names:
        if name not in COLUMNS:
            raise ValueError(
                f"{file}: there is no column {name!r}{did_you_mean(name, COLUMNS)}; "
                f"the columns are {', '.join(COLUMNS)}"
            )
    if "clip" not in names or len(names) < 2:
        raise ValueError(f"{file} has the columns {names}; it needs clip, patient, split")
    reader.fieldnames = names
    rows = [
        ClipRow(**{name: (line[name] or "").strip() for name in names})
        for line in reader
        if any(line[name] for name in names)
    ]
    rows = [replace(row, clip=row.clip.replace("\\", "/")) for row in rows]
    seen: set[str] = set()
    for row in rows:
        if row.clip in seen:
            raise ValueError(f"{file} names the clip {row.clip!r} twice")
        seen.add(row.clip)
        for name in ("fold", "ed_frame", "es_frame"):
            if not re.fullmatch(r"\d*", getattr(row, name)):
                raise ValueError(
                    f"{file}, {row.clip}: {name} must be a whole number from 0, or empty, not "
                    f"{getattr(row, name)!r}"
                )
    return rows


def write_table(rows: list[ClipRow], file: Path) -> None:
    """Write the lines; a column after `split` is left out if it is empty in all lines.

    Raises:
        ValueError: the name of a clip is not UTF-8; an earlier table is unchanged.
    """
    for row in rows:
        if any("\ud800" <= char <= "\udfff" for char in row.clip):
            raise ValueError(
                f"the name of the clip {ascii(row.clip)} is not UTF-8: rename it; or if other "
                "programs show it correctly, unset PYTHONUTF8 and LC_ALL"
            )
    names = [n for n in COLUMNS if n in COLUMNS[:3] or any(getattr(row, n) for row in rows)]
    with appears_whole(file) as part, open(part, "w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def check_patients(rows: list[ClipRow], *, source: str) -> None:
    """Refuse a patient in two splits or folds: a model would be tested on its training data.

    Raises:
        ValueError: a patient is in two splits or folds.
    """
    for column in ("split", "fold"):
        parts: dict[str, set[str]] = {}
        for row in rows:
            parts.setdefault(row.patient, set()).add(getattr(row, column))
        for patient, names in parts.items():
            if len(names) > 1:
                shown = " and ".join(sorted(name or "none" for name in names))
                raise ValueError(
                    f"{source}: patient {patient} is in {column} {shown}; all clips of a "
                    f"patient need the same {column}, so that no model is tested on training data"
                )


def patients_of(clips: list[str], pattern: str | None) -> tuple[dict[str, str], dict[str, str]]:
    r"""Find the patient of every clip, and the clips whose patient is unknown, with the reason.

    Args:
        clips: names of the clips, which are their paths in the folder without the suffix.
        pattern: regular expression that is searched in the name, such as r"(?P<patient>\w+)_".
            The patient is the group `patient`; without it the first group, or else the whole match.
            With None, the patient is the clip's folder, or the clip's name if it is in no folder.

    Raises:
        ValueError: `pattern` is not a regular expression.
    """
    if pattern is None:
        return _by_folder(clips), {}
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"--patient-pattern {pattern!r} is not a regular expression: {error}"
        ) from None
    patients, problems = {}, {}
    for clip in clips:
        match = expression.search(clip)
        if not match:
            problems[clip] = f"--patient-pattern {pattern!r} does not match: its patient is unknown"
            continue
        group = "patient" if "patient" in expression.groupindex else min(1, expression.groups)
        patients[clip] = match[group] or ""
    return patients, problems


def _by_folder(clips: list[str]) -> dict[str, str]:
    """The topmost folder whose name differs between clips; the clip's name if there is none."""
    places = {
        clip: [part for part in clip.split("/")[:-1] if part.lower() not in FRAME_FOLDERS]
        for clip in clips
    }
    while len({tuple(place[:1]) for place in places.values()}) == 1 and any(places.values()):
        places = {clip: place[1:] for clip, place in places.items()}
    return {clip: place[0] if place else clip for clip, place in places.items()}


def with_splits(rows: list[ClipRow], labelled: set[str], *, seed: int) -> list[ClipRow]:
    """Give every patient a split; a patient that has one already keeps it.

    The other patients are drawn at random. Of the patients with labels, 15% are in val and 15% in
    test. Val has at least one patient if there are two, and test if there are three. Patients
    without any label are in train.

    Args:
        rows: rows of all clips.
        labelled: names of the clips that have labels.
        seed: seed of the order in which patients are drawn.
    """
    split_of = {row.patient: row.split for row in rows if row.split}
    patients = sorted({row.patient for row in rows if row.clip in labelled})
    without_split = [patient for patient in _shuffled(patients, seed) if patient not in split_of]
    for number, (name, share) in enumerate(SHARES.items()):
        target_count = max(round(share * len(patients)), int(len(patients) >= 2 + number))
        count = sum(split_of.get(patient) == name for patient in patients)
        for patient in without_split[: max(0, target_count - count)]:
            split_of[patient] = name
            without_split.remove(patient)
    return [replace(row, split=split_of.get(row.patient, "train")) for row in rows]


def with_folds(
    rows: list[ClipRow], labelled: set[str], *, num_folds: int, seed: int
) -> list[ClipRow]:
    """Give a fold to every patient with labels, except the patients of a test split.

    Args:
        rows: rows of all clips; a split other than train and val gets no fold.
        labelled: names of the clips that have labels.
        num_folds: number of folds, of about equally many patients each.
        seed: seed of the order in which patients are drawn.

    Raises:
        ValueError: there are fewer patients than folds.
    """
    excluded = {row.patient for row in rows if row.split not in ("", "train", "val")}
    patients = sorted({row.patient for row in rows if row.clip in labelled} - excluded)
    if not 2 <= num_folds <= len(patients):
        raise ValueError(
            f"--folds must be 2 to the number of patients with labels, here {len(patients)}, not "
            f"{num_folds}"
        )
    earlier_folds = {row.patient: row.fold for row in rows if row.fold}
    fold_of = {patient: earlier_folds[patient] for patient in patients if patient in earlier_folds}
    if any(int(fold) >= num_folds for fold in fold_of.values()):
        raise ValueError(f"the table has fold {num_folds} or higher, but --folds is {num_folds}")
    for patient in _shuffled(patients, seed):
        if patient not in fold_of:
            sizes = [list(fold_of.values()).count(str(k)) for k in range(num_folds)]
            fold_of[patient] = str(sizes.index(min(sizes)))
    return [
        replace(row, fold=fold_of.get(row.patient, ""), split=row.split or "train") for row in rows
    ]


def _shuffled(patients: list[str], seed: int) -> list[str]:
    return [patients[k] for k in np.random.default_rng(seed).permutation(len(patients))]
