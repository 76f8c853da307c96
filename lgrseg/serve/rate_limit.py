"""Token buckets: each client may call so often, with short bursts."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 10_000
"""Clients that are remembered."""


class RateLimit:
    """One bucket for every client, which fills at a constant rate."""

    def __init__(
        self, per_minute: float, *, burst: float = 30, clock: Callable[[], float] = time.monotonic
    ):
        """Set the limits.

        Args:
            per_minute: calls a minute; 0 for any number.
            burst: calls at once after a pause.
            clock: function that gives the time in seconds.
        """
        self.rate, self.burst, self.clock = per_minute / 60, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_of(self, client: str) -> float:
        """Take one call of a client.

        Returns:
            0 if it is allowed; otherwise the seconds until it is.
        """
        if not self.rate:
            return 0.0
        now = self.clock()
        left, then = self._buckets.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        allowed = left >= 1
        self._buckets[client] = (left - allowed, now)
        if len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self.rate
