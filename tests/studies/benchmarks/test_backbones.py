"""tools/benchmark.py backbones."""

import pytest

from lgrseg.studies.benchmarks import backbones

TINY = {
    "dinov2_small": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
}


@pytest.mark.slow
def test_time_and_memory_of_an_encoder(capsys, monkeypatch):
    monkeypatch.setattr("lgrseg.studies.benchmarks.timing.LEAST_SECONDS", 0)
    (table,) = backbones.run(repeats=1, device="cpu", encoders=TINY, sizes=((70, 40),))
    ((name, timing),) = table.timings.items()
    assert table.title == "Encoders at 70 x 40 px"
    assert name == "dinov2_small, 0.1 M" and timing.seconds > 0
    assert timing.peak_mib > 100  # Python and torch alone
    assert "dinov2_small" in capsys.readouterr().out


def test_all_of_the_registry_at_two_sizes():
    assert backbones.SIZES == ((224, 224), (352, 320))
