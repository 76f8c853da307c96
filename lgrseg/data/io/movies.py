"""Reads movies: metadata of the container, and upright frames one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lgrseg.data.io.lazy_frames import gather
from lgrseg.data.io.rates import checked_rate, uneven_steps
from lgrseg.data.io.video import UnreadableFile, Video

MOVIES = (".mp4", ".avi", ".mov", ".mkv", ".m4v")


def read_movie(path: Path) -> Video:
    """Read a movie as a clip: the frames that a player shows, rotated as in the file's metadata."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            what = "only sound or text" if container.streams else "it is damaged or was cut off"
            raise UnreadableFile(f"{path.name} has no pictures: {what}")
        stream = container.streams.video[0]
        packets = [
            (packet.pts, packet.is_discard) for packet in container.demux(stream) if packet.size
        ]
        rate, announced = stream.average_rate, stream.frames
        step, codec = float(stream.time_base or 0), stream.codec_context.name
        aspect = float(stream.sample_aspect_ratio or 1)
    # Frames that an edit list removes are in the file and counted, but are not shown.
    hidden = sum(discarded for _, discarded in packets)
    notes = _uneven([time for time, discarded in packets if not discarded], step)
    if aspect != 1:
        notes.append(
            f"the file says that its pixels are {aspect:.3g} times as wide as high: the frames are "
            "not resized, so lengths and volumes need spacing_mm (--spacing-mm), rows and columns"
        )
    history = _History()
    frames = gather(lambda: _decoded(path, history), len(packets) - hidden)
    if not len(frames):
        raise UnreadableFile(f"{path.name} has no frame")
    source = f"the average rate of {path.suffix[1:]}"
    fps = checked_rate(float(rate) if rate else None, source=source, notes=notes)
    video = Video(frames, fps=fps, meta={"codec": codec}, notes=[*notes, *history.notes])
    expected = announced - hidden
    if len(frames) < expected or history.num_corrupt:
        video.doubt(
            f"damaged: {len(frames)} of the {expected} frames that it announces could be decoded, "
            f"{history.num_corrupt} of them with errors"
        )
    return video


@dataclass
class _History:
    """Observations of the first decoding of a movie."""

    num_corrupt: int = 0
    notes: list[str] = field(default_factory=list)


def _decoded(path: Path, history: _History) -> Iterator[np.ndarray]:
    """Yield the frames as upright RGB."""
    import av

    with av.open(str(path)) as container:
        matrix = None
        for frame in container.decode(video=0):
            if matrix is None:
                matrix = _display_matrix(frame)
                history.notes = _rotation_notes(matrix)
            history.num_corrupt += frame.is_corrupt
            yield _upright(frame.to_ndarray(format="rgb24"), matrix)


def _display_matrix(frame) -> np.ndarray:
    """Rotation matrix of the file for columns and rows: [[x to x, x to y], [y to x, y to y]]."""
    if frame.rotation:  # reading side_data makes PyAV free a frame late, so not for all frames
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                return np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]].reshape(2, 2) / 2**16
    return np.eye(2)


def _upright(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rotate and mirror by quarter turns; other matrices leave the picture unchanged."""
    signs = np.rint(matrix).astype(int)
    if np.abs(signs).tolist() == [[0, 1], [1, 0]]:
        picture, signs = picture.swapaxes(0, 1), signs[::-1]
    if np.abs(signs).tolist() != [[1, 0], [0, 1]]:
        return picture
    return np.ascontiguousarray(picture[:: signs[1, 1], :: signs[0, 0]])


def _rotation_notes(matrix: np.ndarray) -> list[str]:
    """A note if frames are rotated or mirrored, or if the rotation is not supported."""
    if np.array_equal(matrix, np.eye(2)):
        return []
    if sorted(np.abs(np.rint(matrix)).ravel().tolist()) != [0, 0, 1, 1]:
        return [
            "the file asks for a rotation that is not a quarter turn: the frames are not rotated"
        ]
    return ["the frames are rotated or mirrored, as the file asks for"]


def _uneven(times: list[int | None], step: float) -> list[str]:
    """A note if the time between frames varies; the end of the stream is not considered."""
    timestamps = np.sort([time for time in times if time is not None])
    return uneven_steps(np.diff(timestamps)[:-1] * step * 1000)
