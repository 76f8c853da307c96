"""BOX-SAM2: time per frame for one and for four objects, and memory for different lengths."""

import time
from collections.abc import Sequence
from typing import overload

import torch

from lgrseg.modeling.sam2.box_tracking import BoxTracking, track_video
from lgrseg.modeling.sam2.network import build_sam2
from lgrseg.modeling.sam2.tracker import Sam2Tracker
from lgrseg.studies.benchmarks.machine import peak_rss_mib
from lgrseg.studies.benchmarks.timing import Comparison, Timing, in_turns

SIZE, NUM_OBJECTS = 256, 4
LENGTHS = (50, 200, 1000)
FILLED = 20
"""Number of frames after which the memory of a track is full."""


def run(*, repeats: int, device: str) -> list[Comparison]:
    """Measure both tables."""
    return [seconds_a_frame(repeats=repeats, device=device).show(), memory().show()]


def seconds_a_frame(*, repeats: int, device: str) -> Comparison:
    """Time one more frame of tracks whose memory is full."""
    torch.manual_seed(0)
    tracker = Sam2Tracker(build_sam2(variant="tiny", size=SIZE).to(device)).eval()
    boxes = _boxes(device)

    def follow(objects: int):
        tracking, state = BoxTracking(tracker, NUM_OBJECTS), {"number": 0}

        @torch.inference_mode()
        def one_more():
            number = state["number"]
            prompts = {k: boxes[k] for k in range(objects)} if number == 0 else {}
            (embedding,) = tracker.embed(torch.rand(1, 3, SIZE, SIZE, device=device))
            tracking.step(embedding, number, prompts)
            state["number"] = number + 1

        for _ in range(FILLED):
            one_more()
        return one_more

    one, four, alone = follow(1), follow(NUM_OBJECTS), [follow(1) for _ in range(NUM_OBJECTS)]
    candidates = {
        "1 object": one,
        "4 objects": four,
        "4 runs of 1 object": lambda: [run_alone() for run_alone in alone],
    }
    timings = in_turns(candidates, repeats=repeats, device=device)
    note = f"SAM 2.1 tiny, random weights, {SIZE} px, after {FILLED} frames."
    return Comparison("BOX-SAM2, one frame", timings, "4 runs of 1 object", note)


def memory() -> Comparison:
    """Peak memory of a process that tracks four objects through a clip."""
    timings = {}
    for length in LENGTHS:
        begin = time.perf_counter()
        peak = peak_rss_mib(_follower, length, SIZE, repeats=1)
        seconds = time.perf_counter() - begin
        timings[f"{length} frames"] = Timing(seconds, seconds, seconds, peak)
    note = (
        f"A small SAM 2 ('nano'), {SIZE} px, 4 objects, CPU; times include the start of a process."
    )
    return Comparison("BOX-SAM2, memory of a process", timings, f"{LENGTHS[0]} frames", note)


class _Frames(Sequence[torch.Tensor]):
    """A video whose frames are generated on access."""

    def __init__(self, length: int, size: int):
        self.length, self.size = length, size

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> torch.Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> list[torch.Tensor]: ...
    def __getitem__(self, index: int | slice) -> torch.Tensor | list[torch.Tensor]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self.length))]
        generator = torch.Generator().manual_seed(index)
        return torch.rand(3, self.size, self.size, generator=generator)


def _follower(length: int, size: int):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tracker = Sam2Tracker(build_sam2(variant="nano", size=size)).eval()
    # The prompt is in the middle, so half of the frames are tracked backwards.
    prompts = {length // 2: dict(enumerate(_boxes("cpu")))}

    @torch.inference_mode()
    def follow():
        for _ in track_video(tracker, _Frames(length, size), prompts, NUM_OBJECTS):
            pass

    return follow


def _boxes(device: str) -> torch.Tensor:
    corners = [(0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7)]
    return torch.tensor([[x, y, 0.3, 0.3] for x, y in corners], device=device)
