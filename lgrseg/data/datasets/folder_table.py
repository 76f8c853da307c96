"""Matches the rows of a user's table of splits with the clips of a folder."""

from dataclasses import replace
from pathlib import Path

from lgrseg.data.annotations.clip import composed, stem_of
from lgrseg.data.patient_splits import ClipRow, read_table


def rows_of_clips(table: Path, clips: list[str]) -> dict[str, ClipRow]:
    """Name of a clip -> the row of the table that names it, in full or without its folders.

    Raises:
        ValueError: a row matches no clip, or several; or a clip has two rows.
    """
    clips_by_name: dict[str, list[str]] = {}
    for clip in clips:
        for name in {clip, clip.split("/")[-1]}:
            clips_by_name.setdefault(composed(name), []).append(clip)
    rows: dict[str, ClipRow] = {}
    for row in read_table(table):
        place = Path(row.clip)
        names = [composed(row.clip), composed(place.with_name(stem_of(place)).as_posix())]
        matches = next((clips_by_name[name] for name in names if name in clips_by_name), [])
        if len(matches) != 1:
            several = f"several clips: {', '.join(matches[:3])}"
            matched = several if matches else "no clip in the folder"
            raise ValueError(f"{table}: {row.clip!r} matches {matched}")
        (clip,) = matches
        if clip in rows:
            raise ValueError(
                f"{table}: the rows {rows[clip].clip!r} and {row.clip!r} are both of {clip}: "
                "remove one of them"
            )
        rows[clip] = row
    return {clip: replace(row, clip=clip) for clip, row in rows.items()}
