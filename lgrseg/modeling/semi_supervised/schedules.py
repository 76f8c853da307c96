"""Schedules: stateless functions of the iteration."""

import math


class LinearRamp:
    """Linear ramp from `start` to `end` over `num_iterations`, constant afterwards."""

    def __init__(self, *, start: float, end: float, num_iterations: int):
        """With `num_iterations` 0 the value is always `end`."""
        self.start, self.end, self.num_iterations = start, end, num_iterations

    def __call__(self, iteration: int) -> float:
        """Value at this iteration, counted from 0."""
        return self.start + (self.end - self.start) * _done(iteration, self.num_iterations)


class CosineRamp:
    """Cosine ramp from `start` to `end`, as for the momentum of DINO (ICCV 2021)."""

    def __init__(self, *, start: float, end: float, num_iterations: int):
        """With `num_iterations` 0 the value is always `end`."""
        self.start, self.end, self.num_iterations = start, end, num_iterations

    def __call__(self, iteration: int) -> float:
        """Value at this iteration, counted from 0."""
        part = 0.5 * (1 - math.cos(math.pi * _done(iteration, self.num_iterations)))
        return self.start + (self.end - self.start) * part


class SigmoidRamp:
    """0 before iteration `begin`, then `end` x exp(-5 (1 - t)^2) with t from 0 to 1.

    Source: Laine and Aila, "Temporal Ensembling", ICLR 2017, section 2.1: an unsupervised loss
    is increased slowly, because the teacher is not useful at first.
    """

    def __init__(self, *, end: float, num_iterations: int, begin: int = 0):
        """`num_iterations` is the length of the ramp; with 0 the value is `end` from `begin` on."""
        self.end, self.num_iterations, self.begin = end, num_iterations, begin

    def __call__(self, iteration: int) -> float:
        """Value at this iteration, counted from 0."""
        if iteration < self.begin:
            return 0.0
        done = _done(iteration - self.begin, self.num_iterations)
        return self.end * math.exp(-5 * (1 - done) ** 2)


class AverageWarmup:
    """(1 + t) / (10 + t) at iteration t, at least `start` and at most `end`: a teacher's momentum.

    A small momentum at first lets the teacher forget the random weights it starts from. With `end`
    0.99 it is reached at iteration 890; at iteration 100 the momentum is 0.918.
    """

    def __init__(self, *, end: float, start: float = 0.0):
        """`start` and `end` are 0 to 1. Equal values are right for a start from trained weights."""
        self.end, self.start = end, start

    def __call__(self, iteration: int) -> float:
        """Value at this iteration, counted from 0."""
        return min(self.end, max(self.start, (1 + iteration) / (10 + iteration)))


def _done(iteration: int, num_iterations: int) -> float:
    return min(1.0, iteration / num_iterations) if num_iterations else 1.0
