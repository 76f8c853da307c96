"""Finds problems between videos: leaks between splits, copies, and classes without a pixel."""

from collections import Counter
from collections.abc import Iterable

from lgrseg.data.raw_video import RawVideo


def leaks(videos: list[RawVideo], pictures: dict[tuple[str, ...], list[RawVideo]]) -> list[str]:
    """Patients in several splits, and files with the same content in several splits.

    Args:
        videos: all videos of the dataset.
        pictures: hashes of a video's pictures -> the videos that have them.
    """
    splits_of: dict[str, set] = {}
    for video in videos:
        splits_of.setdefault(video.patient, set()).add(video.split)
    sentences = [
        f"patient {patient} is in {', '.join(sorted(map(str, splits)))}"
        for patient, splits in splits_of.items()
        if len(splits) > 1 or " and " in str(splits)
    ]
    for same in pictures.values():
        if len({video.split for video in same}) > 1:
            sentences.append(f"the same file under several names: {_names(same)}")
    return sorted(sentences)


def copies(pictures: dict[tuple[str, ...], list[RawVideo]]) -> list[str]:
    """Files with the same content in one split: no leak, but they count more than once."""
    return sorted(
        f"the same file under several names, in one split: {_names(same)}"
        for same in pictures.values()
        if len(same) > 1 and len({video.split for video in same}) == 1
    )


def absent_classes(
    shown: Iterable[tuple[str | None, Iterable[int]]], classes: tuple[str, ...]
) -> list[str]:
    """Classes that no mask shows and no label states, in the whole dataset or in one split.

    Args:
        shown: (split, values in the masks) for every video with labels; of a label, its value.
        classes: class names; value k + 1 is class k.
    """
    counts: dict[str | None, Counter] = {}
    for split, values in shown:
        counts.setdefault(split, Counter()).update(set(values))
    sentences = []
    for value, name in enumerate(classes, start=1):
        lacking = [split for split, count in counts.items() if not count[value]]
        if counts and len(lacking) == len(counts):
            sentences.append(f"class {name} (value {value}) never occurs")
        elif lacking:
            named = ", ".join(sorted(str(split) for split in lacking))
            sentences.append(f"class {name} (value {value}) never occurs in {named}")
    return sentences


def _names(videos: list[RawVideo]) -> str:
    return ", ".join(sorted(video.video_id for video in videos))
