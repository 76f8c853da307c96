"""Interprets the axes of an array as a clip: medical files may have up to seven axes."""

from lgrseg.data.io.video import UnreadableFile


def clip_axes(shape: tuple[int, ...], *, name: str) -> tuple[int, bool]:
    """Number of frames of an array (x, y, ...), and whether its last axis is colour.

    Axes of length 1 after y are ignored: (x, y, 1, t) and (x, y, t, 1) are clips of t frames.
    (x, y, t, 3) is RGB. A single picture (x, y, 1, 1, 3) is RGB too, because its last axis is
    NIfTI's vector axis; (x, y, 1, 3) are three frames.

    Raises:
        UnreadableFile: the array has fewer than two axes, or is a volume over time.
    """
    after = [size for size in shape[2:] if size != 1]
    vector = len(shape) >= 5 and shape[4] == 3
    if len(shape) < 2 or len(after) > 2 or (len(after) == 2 and after[1] != 3):
        raise UnreadableFile(
            f"{name} has an array of shape {shape}; a clip has the axes (x, y, t), or "
            "(x, y, t, 3) if it has colours"
        )
    if len(after) == 2:
        return after[0], True
    if vector and after == [3]:
        return 1, True
    return (after[0] if after else 1), False
