"""Pictures and H.264 videos of segmentations: input | truth | prediction."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.data.transforms.resizing import resize_image, resize_labels

HEADER, LEGEND = 22, 24
"""Heights of the line above the panels and of the legend below, in pixels."""
GAP = 4
"""Pixels between two panels."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
BACKGROUND = 24
LARGEST_PANEL = 3840
"""Largest width of a panel in pixels; H.264 allows 16384 for all panels together."""


def overlay(
    frame: np.ndarray,
    labels: np.ndarray,
    colors: Sequence[tuple[int, int, int]],
    *,
    fill: float = 0.25,
) -> np.ndarray:
    """Draw every class on a frame, lightly filled and with a sharp outline.

    Args:
        frame: (H, W) or (H, W, 3) uint8 frame.
        labels: (H, W) uint8 label map, 0 background, k + 1 for class k.
        colors: RGB colour of every class, 0 to 255.
        fill: opacity of the filling, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = np.repeat(frame[..., None], 3, axis=2) if frame.ndim == 2 else frame.copy()
    for value, color in enumerate(colors, start=1):
        mask = labels == value
        if not mask.any():
            continue
        tint = (1 - fill) * picture[mask] + fill * np.array(color)
        picture[mask] = tint.astype(np.uint8)
        contours, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(picture, contours, -1, color, 1, cv2.LINE_AA)
    return picture


def side_by_side(
    frame: np.ndarray,
    truth: np.ndarray | None,
    prediction: np.ndarray,
    *,
    classes: tuple[str, ...],
    colors: Sequence[tuple[int, int, int]],
    caption: str = "",
    height: int = 320,
) -> np.ndarray:
    """Draw input, truth and prediction side by side, with headings and legend.

    Args:
        frame: (H, W) or (H, W, 3) uint8 frame at the original size.
        truth: (H, W) true label map, or None if the frame is not annotated.
        prediction: (H, W) predicted label map.
        classes: names for the legend.
        colors: RGB colour of every class, 0 to 255.
        caption: text beside the first heading, such as the frame number.
        height: height of a panel in pixels.

    Returns:
        (height', width', 3) uint8 RGB; both sides are even, as H.264 requires.
    """
    heading = "truth" if truth is not None else "truth: not annotated"
    panels = [(f"input {caption}".strip(), None), (heading, truth), ("prediction", prediction)]
    return _panels(frame, panels, classes=classes, colors=colors, height=height)


def beside_input(
    frame: np.ndarray,
    prediction: np.ndarray,
    *,
    classes: tuple[str, ...],
    colors: Sequence[tuple[int, int, int]],
    caption: str = "",
    height: int = 320,
) -> np.ndarray:
    """Draw input and prediction of a clip without truth; otherwise as `side_by_side`."""
    panels = [(f"input {caption}".strip(), None), ("prediction", prediction)]
    return _panels(frame, panels, classes=classes, colors=colors, height=height)


def _panels(frame, panels, *, classes, colors, height: int) -> np.ndarray:
    """Draw one column for every (heading, labels or None), and the legend below."""
    width = max(2, round(frame.shape[1] * height / frame.shape[0]))
    image = resize_image(frame, (height, width))
    gap = np.full((HEADER + height, GAP, 3), BACKGROUND, np.uint8)
    columns = []
    for heading, labels in panels:
        if labels is None:
            labels = np.zeros(frame.shape[:2], np.uint8)
        labels = resize_labels(labels, (height, width))
        top = np.full((HEADER, width, 3), BACKGROUND, np.uint8)
        _write(top, heading, (4, 15), (230, 230, 230))
        columns += [np.concatenate([top, overlay(image, labels, colors)]), gap]
    rows = np.concatenate(columns[:-1], axis=1)
    picture = np.concatenate([rows, _legend(rows.shape[1], classes, colors)])
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def _legend(width: int, classes, colors) -> np.ndarray:
    legend = np.full((LEGEND, width, 3), BACKGROUND, np.uint8)
    x = 6
    for name, color in zip(classes, colors, strict=True):
        cv2.rectangle(legend, (x, 7), (x + 10, 17), color, -1)
        text = name.replace("_", " ")
        _write(legend, text, (x + 15, 16), (230, 230, 230))
        x += 30 + cv2.getTextSize(text, FONT, 0.4, 1)[0][0]
    return legend


def _write(image: np.ndarray, text: str, where: tuple[int, int], color) -> None:
    cv2.putText(image, text, where, FONT, 0.4, color, 1, cv2.LINE_AA)


def panel_height(size: tuple[int, int], *, most: int = 320) -> int:
    """Height of the panels of a frame (H, W); lower if they would be too wide for a video."""
    height, width = size
    return min(most, max(1, LARGEST_PANEL * height // width))


class NoFilm(RuntimeError):
    """A video cannot be encoded; the message has the reason."""


def write_mp4(path: Path, pictures: Iterable[np.ndarray], *, fps: float) -> int:
    """Write RGB pictures (H, W, 3) uint8 of one even size as H.264 that browsers play.

    The file appears only when it is complete. Its frame rate is stored as an exact fraction, such
    as 30000/1001.

    Returns:
        The number of frames.

    Raises:
        NoFilm: this build of PyAV has no H.264 encoder, or it rejects the rate or the size.
    """
    import av

    if "libx264" not in av.codecs_available:
        raise NoFilm("this build of PyAV has no libx264 encoder; install its wheel: pip install av")
    if not 0.01 <= fps <= 10_000:
        raise NoFilm(
            f"the frame rate of a video must be 0.01 to 10000 frames per second, not {fps:g}"
        )
    try:
        with appears_whole(path) as half_done:
            return _encode(half_done, pictures, Fraction(fps).limit_denominator(1001))
    except av.error.FFmpegError as error:
        raise NoFilm(f"the encoder rejects the video: {error}") from error


def _encode(path: Path, pictures: Iterable[np.ndarray], rate: Fraction) -> int:
    import av

    count, stream = 0, None
    # Equal pictures give equal files: no time of writing, and no mbtree, with which x264 reads
    # memory that it never wrote.
    container = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=container) as file:
        for picture in pictures:
            if stream is None:
                stream = file.add_stream("libx264", rate=rate)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": "20", "preset": "veryfast", "x264-params": "mbtree=0"}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            file.mux(stream.encode())
    return count


def try_write_mp4(path: Path, pictures: Iterator[np.ndarray], *, fps: float) -> str:
    """Like `write_mp4`, but return the reason if it fails. All pictures are drawn in any case.

    Returns:
        The reason why there is no video, in one sentence; empty if it was written.
    """
    try:
        write_mp4(path, pictures, fps=fps)
    except NoFilm as error:
        for _ in pictures:  # the iterator also writes still pictures
            pass
        return f"{path.name} could not be written: {error}"
    return ""


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write one RGB picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture[..., ::-1]):
        raise OSError(f"{path} could not be written")
