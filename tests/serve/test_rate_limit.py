"""Token buckets."""

from lgrseg.serve.rate_limit import RateLimit


def test_a_burst_then_a_constant_rate():
    now = [0.0]
    limit = RateLimit(60, burst=3, clock=lambda: now[0])
    assert [limit.wait_of("a") for _ in range(4)] == [0, 0, 0, 1.0]
    assert limit.wait_of("b") == 0
    now[0] = 0.5
    assert limit.wait_of("a") == 0.5
    now[0] = 1.0
    assert limit.wait_of("a") == 0 and limit.wait_of("a") == 1.0
    now[0] = 100.0  # a pause fills the bucket, and no more
    assert [limit.wait_of("a") for _ in range(4)] == [0, 0, 0, 1.0]


def test_zero_is_no_limit():
    assert not any(RateLimit(0, burst=1).wait_of("a") for _ in range(99))
