"""lgrseg/modeling/semi_supervised/schedules.py."""

import math

import pytest

from lgrseg.modeling.semi_supervised.schedules import (
    AverageWarmup,
    CosineRamp,
    LinearRamp,
    SigmoidRamp,
)


def test_by_hand():
    line = LinearRamp(start=0.04, end=0.08, num_iterations=10)
    assert [line(i) for i in (0, 5, 10, 99)] == pytest.approx([0.04, 0.06, 0.08, 0.08])
    curve = CosineRamp(start=0.9, end=1.0, num_iterations=10)
    assert [curve(i) for i in (0, 5, 10, 99)] == pytest.approx([0.9, 0.95, 1.0, 1.0])
    assert curve(1) - curve(0) < (curve(5) - curve(4)) / 2  # slow at first
    ramp = SigmoidRamp(end=2.0, num_iterations=10)
    assert [ramp(i) for i in (0, 10, 99)] == pytest.approx([2 * math.exp(-5), 2, 2])
    assert ramp(5) == pytest.approx(2 * math.exp(-1.25))
    late = SigmoidRamp(end=2.0, num_iterations=10, begin=20)
    assert late(19) == 0 and [late(20 + i) for i in range(12)] == [ramp(i) for i in range(12)]
    warmup = AverageWarmup(end=0.99)
    assert [warmup(i) for i in (0, 10, 890, 9999)] == pytest.approx([0.1, 0.55, 0.99, 0.99])
    assert warmup(889) < 0.99
    kept = AverageWarmup(start=0.9, end=0.9)
    assert [kept(i) for i in (0, 9999)] == [0.9, 0.9]


def test_no_iterations_is_the_end_at_once():
    assert LinearRamp(start=0, end=1, num_iterations=0)(0) == 1
    assert CosineRamp(start=0, end=1, num_iterations=0)(0) == 1
    assert SigmoidRamp(end=3, num_iterations=0)(0) == 3
