"""Movies, whole or frame by frame."""

from pathlib import Path

import numpy as np

from lgrseg.data.io import lazy_frames
from lgrseg.data.io.grey_values import one_channel_if_grey
from lgrseg.data.io.lazy_frames import LazyFrames, MovieFrames
from lgrseg.data.io.video import UnreadableFile, Video

MOVIES = (".mp4", ".avi", ".mov", ".mkv", ".m4v")


def read_movie(path: Path) -> Video:
    """A movie as a clip."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise UnreadableFile(f"{path.name} holds no picture, only sound or text")
        stream = container.streams.video[0]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
        size, rate, announced = (stream.height, stream.width), stream.average_rate, stream.frames
        step, codec = float(stream.time_base or 0), stream.codec_context.name
    if not times:
        raise UnreadableFile(f"{path.name} holds no frame")
    notes = _uneven(times, step)
    if len(times) * size[0] * size[1] * 3 <= lazy_frames.WHOLE_BYTES:
        frames, damage = _decode_all(path, announced)
        notes += damage
    else:
        frames = _decode_lazily(path, len(times))
    rate = float(rate) if rate else None
    return Video(frames, fps=rate, meta={"codec": codec}, notes=notes)


def _decode_all(path: Path, announced: int) -> tuple[np.ndarray, list[str]]:
    import av

    frames, num_corrupt = [], 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            num_corrupt += frame.is_corrupt
            frames.append(frame.to_ndarray(format="rgb24"))
    if not frames:
        raise UnreadableFile(f"{path.name} holds no frame")
    notes = []
    if len(frames) < announced or num_corrupt:
        notes.append(
            f"damaged: {len(frames)} of the {announced} frames that it announces could be decoded, "
            f"{num_corrupt} of them with errors"
        )
    return one_channel_if_grey(np.stack(frames)), notes


def _decode_lazily(path: Path, num_packets: int) -> LazyFrames:
    reader = MovieFrames(path, pixel_format="rgb24")
    first = one_channel_if_grey(np.stack([reader(index) for index in range(min(num_packets, 24))]))
    pixel_format = "gray" if first.ndim == 3 else "rgb24"
    frames = MovieFrames(path, pixel_format=pixel_format)
    return LazyFrames(frames, (num_packets, *first.shape[1:]))


def _uneven(times: list[int | None], step: float) -> list[str]:
    """A note where the time between frames varies; the tail of a stream is left out."""
    known = np.sort([time for time in times if time is not None])
    gaps = np.diff(known)[:-1] * step * 1000
    if len(gaps) and gaps.max() > 1.5 * max(gaps.min(), 1e-9) + 1:
        return [
            f"the frame rate varies: {gaps.min():.0f} to {gaps.max():.0f} ms between frames, which "
            "are taken one after the other"
        ]
    return []
