"""Which axes of an array are a clip's: files of medical volumes may have up to seven."""

from lgrseg.data.io.video import UnreadableFile


def clip_axes(shape: tuple[int, ...], *, name: str) -> tuple[int, bool]:
    """How many frames an array of (x, y, ...) holds, and whether its last axis are colours.

    Axes of length 1 after y are passed over: (x, y, 1, t) and (x, y, t, 1) are clips of t frames.
    (x, y, t, 3) is RGB, and so is a single picture (x, y, 1, 1, 3), where 3 is NIfTI's axis of
    vectors; (x, y, 1, 3) is three frames.

    Raises:
        UnreadableFile: fewer than two axes, or a volume that changes with time.
    """
    after = [size for size in shape[2:] if size != 1]
    vector = len(shape) >= 5 and shape[4] == 3
    if len(shape) < 2 or len(after) > 2 or (len(after) == 2 and after[1] != 3):
        raise UnreadableFile(
            f"{name} holds an array of shape {shape}; a clip has the axes (x, y, t), or "
            "(x, y, t, 3) where it has colours"
        )
    if len(after) == 2:
        return after[0], True
    if vector and after == [3]:
        return 1, True
    return (after[0] if after else 1), False
