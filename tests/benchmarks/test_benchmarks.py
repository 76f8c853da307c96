"""tools/benchmark.py: every benchmark runs, and what it times gives equal results."""

import pytest

from lgrseg.benchmarks import data, exactness, metrics
from lgrseg.benchmarks.timing import in_turns


def test_medians_in_turns():
    calls = []
    found = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert calls == list("ababab") and set(found) == {"a", "b"}


def test_metrics(capsys):
    pytest.importorskip("medpy")
    seconds = metrics.run(repeats=1)  # itself asserts that both find the same
    assert seconds["medpy"] / seconds["lgrseg"] > 10
    assert "times as fast" in capsys.readouterr().out


def test_data(capsys):
    seconds = data.run(repeats=1)
    assert seconds["JPEG through PIL"] > 3 * seconds["prepared store"]
    assert "clips a second" in capsys.readouterr().out


@pytest.mark.slow
def test_exactness():
    assert set(exactness.run(repeats=1)) == {"exact", "loose"}
