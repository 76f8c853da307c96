"""Quantities that change over a run: functions of the iteration alone, without any state."""

import math


class LinearRamp:
    """From `start` to `end` in a straight line over `num_iterations`, constant afterwards."""

    def __init__(self, *, start: float, end: float, num_iterations: int):
        """`num_iterations` 0 is `end` from the first."""
        self.start, self.end, self.num_iterations = start, end, num_iterations

    def __call__(self, iteration: int) -> float:
        """At this iteration, counted from 0."""
        return self.start + (self.end - self.start) * _done(iteration, self.num_iterations)


class CosineRamp:
    """From `start` to `end` along half a cosine; DINO (ICCV 2021) raises its momentum so."""

    def __init__(self, *, start: float, end: float, num_iterations: int):
        """`num_iterations` 0 is `end` from the first."""
        self.start, self.end, self.num_iterations = start, end, num_iterations

    def __call__(self, iteration: int) -> float:
        """At this iteration, counted from 0."""
        part = 0.5 * (1 - math.cos(math.pi * _done(iteration, self.num_iterations)))
        return self.start + (self.end - self.start) * part


class SigmoidRamp:
    """0, and from iteration `begin` on `end` x exp(-5 (1 - t)^2), t from 0 to 1.

    Source: Laine and Aila, "Temporal Ensembling", ICLR 2017, section 2.1: an unsupervised loss
    comes in slowly, because at first the teacher knows nothing.
    """

    def __init__(self, *, end: float, num_iterations: int, begin: int = 0):
        """`num_iterations` of the ramp; 0 is `end` at once."""
        self.end, self.num_iterations, self.begin = end, num_iterations, begin

    def __call__(self, iteration: int) -> float:
        """At this iteration, counted from 0."""
        if iteration < self.begin:
            return 0.0
        done = _done(iteration - self.begin, self.num_iterations)
        return self.end * math.exp(-5 * (1 - done) ** 2)


def _done(iteration: int, num_iterations: int) -> float:
    return min(1.0, iteration / num_iterations) if num_iterations else 1.0
