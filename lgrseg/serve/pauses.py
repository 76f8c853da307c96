"""When a long job is paused for shorter ones, so that nobody waits for hours behind one clip."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 4
"""A job gives way to those of at most a quarter of its frames."""
LOOK_SECONDS = 0.5
"""Time between two looks for shorter jobs."""


class Pauses:
    """The pauses of one job.

    After a pause the job runs for as long as the pause took, so a stream of short jobs doubles its
    time at most. A shorter job can be paused for still shorter ones.
    """

    def __init__(self, num_frames: int):
        """Begin without a pause.

        Args:
            num_frames: length of the job's clip.
        """
        self.max_frames = num_frames // SHARE
        self._next = time.monotonic() + LOOK_SECONDS

    def is_due(self) -> bool:
        """True if a shorter job may run now."""
        return self.max_frames > 0 and time.monotonic() >= self._next

    @contextmanager
    def measured(self) -> Iterator[None]:
        """A look for shorter jobs, or a pause."""
        start = time.monotonic()
        try:
            yield
        finally:
            end = time.monotonic()
            self._next = end + max(LOOK_SECONDS, end - start)
