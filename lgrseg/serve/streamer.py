"""Segments frames as they come: holds the model, and answers one stream at a time.

    python -m lgrseg.serve.streamer

The first line of the standard input has the settings. Then each message is a line of JSON, and
"bytes" bytes after it: {"begin": {"shape": [H, W] or [H, W, 3], "window": T}} starts a stream,
{"frame": N, "bytes": B} is one of its frames. The answer to a frame is a line of the same kind,
and the labels (H, W) uint8, packed by zlib.
"""

import json
import os
import sys
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lgrseg.serve.logs import log, start_logging
from lgrseg.serve.settings import Settings

if TYPE_CHECKING:
    from lgrseg.inference.predictor import Predictor

LOOKS = (1, 3, 24)
"""Numbers of frames after which the fan is found anew."""


class LiveClip:
    """The last frames of a stream, and the masks of the newest."""

    def __init__(self, predictor: "Predictor", shape: tuple[int, ...], window: int):
        """Begin a stream.

        Args:
            predictor: the loaded model.
            shape: (H, W) or (H, W, 3) of a frame.
            window: number of frames that the model sees; more than its own windows have is cut.
        """
        from lgrseg.inference.windows import window_of

        self.predictor, self.shape, self.count = predictor, shape, 0
        own = min(window_of(member.mapper)["num_frames"] for member in predictor.members)
        self.frames: deque[np.ndarray] = deque(maxlen=min(window, own))
        self._seen: list[np.ndarray] = []
        """The first frames, from which the fan is found."""
        self.size = shape[0], shape[1]
        self.crop_box = (0, 0, *self.size)

    def add(self, frame: np.ndarray) -> np.ndarray:
        """Segment the next frame: (H, W) uint8, 0 for the background and k + 1 for class k."""
        self.count += 1
        self.frames.append(frame)
        if self.predictor.crop and self.count <= LOOKS[-1]:
            self._look_for_fan(frame)
        return self.labels()

    def _look_for_fan(self, frame: np.ndarray) -> None:
        from lgrseg.data.prepare.fan_crop import find_fan

        self._seen.append(frame)
        if self.count in LOOKS:
            self.crop_box = find_fan(np.stack(self._seen)).box
        if self.count == LOOKS[-1]:
            self._seen = []

    def labels(self) -> np.ndarray:
        """Labels of the newest frame, from all frames of the window."""
        from lgrseg.inference.averaging import average_predictions
        from lgrseg.inference.whole_videos import label_map

        top, left, bottom, right = self.crop_box
        frames = [frame[top:bottom, left:right] for frame in self.frames]
        newest = []
        for member in self.predictor.members:
            geometry = member.geometry(self.size, self.crop_box, None)
            *_, (_, prediction) = member.predict(frames, geometry)
            newest.append(prediction)
        prediction = average_predictions(newest) if len(newest) > 1 else newest[0]
        labels = label_map(prediction, geometry)
        clean_up = self.predictor.postprocessing
        return clean_up(labels) if clean_up else labels


def answer(source: BinaryIO, target: BinaryIO, predictor: "Predictor") -> None:
    """Answer messages until the input ends."""
    clip: LiveClip | None = None
    while line := source.readline():
        message: dict[str, Any] = json.loads(line)
        if begin := message.get("begin"):
            clip = LiveClip(predictor, tuple(begin["shape"]), begin["window"])
            target.write(json.dumps({"window": clip.frames.maxlen}).encode() + b"\n")
        else:
            assert clip is not None, "a stream begins with its shape"
            content = source.read(message["bytes"])
            start = time.perf_counter()
            labels = clip.add(np.frombuffer(content, np.uint8).reshape(clip.shape))
            seconds = time.perf_counter() - start
            packed = zlib.compress(labels.tobytes(), 1)
            head = {"model_ms": round(1000 * seconds, 2), "bytes": len(packed)}
            target.write(json.dumps(head).encode() + b"\n" + packed)
        target.flush()


def main() -> int:
    """Load the model, and answer until the web process ends."""
    start_logging()
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    source = sys.stdin.buffer
    settings = Settings.model_validate_json(source.readline())
    from lgrseg.serve.models import load_models

    first = {"run": settings.run[:1], "box_run": None}
    predictors, _ = load_models(settings.model_copy(update=first))
    log("streamer ready")
    (predictor,) = predictors.values()
    answer(source, target, predictor)
    return 0


if __name__ == "__main__":
    sys.exit(main())
