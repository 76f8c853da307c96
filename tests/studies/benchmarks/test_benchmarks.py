"""tools/benchmark.py: every benchmark runs, and what it times gives equal results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from forked import run_script

from lgrseg import ops as operations
from lgrseg.studies.benchmarks import (
    data,
    exactness,
    machine,
    metrics,
    models,
    ops,
    peers,
    tracking,
    whole,
)
from lgrseg.studies.benchmarks.kernel_check import CASES, check
from lgrseg.studies.benchmarks.timing import Comparison, Timing, in_turns, write_json

TOOL = Path(__file__).parents[3] / "tools" / "benchmark.py"


def test_medians_in_turns(monkeypatch):
    monkeypatch.setattr("lgrseg.studies.benchmarks.timing.LEAST_SECONDS", 0)
    calls = []
    found = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert "".join(calls) == "aaabbb" + "abab" and set(found) == {"a", "b"}


def test_a_short_candidate_is_called_often():
    calls = []
    found = in_turns({"a": lambda: calls.append(1)}, repeats=1)["a"]
    assert len(calls) > 100 and found.seconds < 1e-3


def test_median_and_quartiles_by_hand(monkeypatch):
    seconds = iter([9.0, 1.0, 5.0, 2.0, 4.0, 3.0])
    monkeypatch.setattr("lgrseg.studies.benchmarks.timing._measure", lambda *_: next(seconds))
    found = in_turns({"a": lambda: None}, repeats=5)["a"]  # the 9 says how often to call
    assert (found.first_quartile, found.seconds, found.third_quartile) == (2, 3, 4)


def test_a_table_and_json(tmp_path, capsys):
    timings = {"new": Timing(0.1, 0.1, 0.2, 5, 0.01), "old": Timing(0.3, 0.2, 0.4)}
    comparison = Comparison("a title", timings, "old").show()
    shown = capsys.readouterr().out
    assert "3.00" in shown and "10.0%" in shown and "100 to 200" in shown
    file = tmp_path / "folder" / "figures.json"
    write_json(file, {"processor": "one"}, [comparison], [])
    row = json.loads(file.read_text())["comparisons"][0]["rows"]["new"]
    assert row["times_as_fast"] == pytest.approx(3) and row["seconds"] == 0.1


def test_the_limit_is_the_larger_of_two_times(monkeypatch):
    monkeypatch.setattr(machine, "bandwidth", lambda device: 100.0)
    monkeypatch.setattr(machine, "peak_rate", lambda device, kind: 1000.0)
    assert machine.limit("cpu", num_bytes=200, flops=100, kind=torch.float32) == 2
    assert machine.limit("cpu", num_bytes=200, flops=5000, kind=torch.float32) == 5


@pytest.mark.slow
def test_memory_of_a_process_of_its_own():
    """64 MiB more of numbers that are touched are 64 MiB more of memory."""
    small, large = (machine.peak_rss_mib(torch.ones, n, repeats=0) for n in (1, 2**24))
    assert large - small == pytest.approx(64, abs=16)


@pytest.mark.slow
def test_a_process_that_ends_early_says_so():
    with pytest.raises(RuntimeError, match="failed with exit code 3"):
        machine.peak_rss_mib(sys.exit, 3)


def test_peers_compute_the_same_scan():
    """What is compared with is the same function."""
    u, delta = torch.randn(2, 1, 9, 4)
    A, (B, C), (D, bias) = -torch.rand(4, 3), torch.randn(2, 1, 9, 3), torch.randn(2, 4)
    ours = operations.selective_scan(
        u, delta[:, None], A[None], B[:, None], C[:, None], D[None], delta_bias=bias[None]
    )
    for name, scan in peers.scans().items():
        assert torch.allclose(scan(u, delta, A, B, C, D, bias), ours[:, 0], atol=1e-5), name


@pytest.mark.slow
def test_peers_compute_the_same_attention():
    shapes = [(3, 4), (2, 1)]
    value, places = torch.randn(1, 14, 2, 4), torch.rand(1, 5, 2, 2, 3, 2)
    weights = torch.rand(1, 5, 2, 2, 3)
    ours = operations.ms_deform_attn(value, shapes, places, weights)
    for name, attention in peers.deformable_attention().items():
        theirs = attention(value, shapes, places, weights)
        assert torch.allclose(theirs, ours, atol=1e-5), name


def test_a_wrong_kernel_is_found():
    case = CASES[0]

    def slightly_wrong(*given, kernels, **options):
        result = operations.ms_deform_attn(*given, **options, kernels="reference")
        return result * 1.001 if kernels == "triton" else result

    wrong = type(case)(
        "wrong", slightly_wrong, case.shapes, case.places, case.negative, case.options
    )
    assert not any(agreement.holds for agreement in check(wrong, torch.float32))


@pytest.mark.slow
def test_operations(capsys):
    found = ops.scan("short", 1, 1, 32, 8, repeats=1, device="cpu")
    assert found.baseline in found.timings and {"lgrseg", "reference"} <= set(found.timings)
    assert found.timings["lgrseg"].limit_seconds > 0
    assert "selective scan" in capsys.readouterr().out
    assert ops.check_kernels("cpu") == []


@pytest.mark.slow
@pytest.mark.parametrize("amp", [False, True])
def test_whole_models(amp):
    """A step changes the weights, a prediction gives masks; the peer's likewise."""
    pytest.importorskip("transformers")
    for build in (models.basic, models.mask2former):
        loss = build(1, 64, "cpu", amp=amp, train=True)()
        assert loss.isfinite() and loss.requires_grad
        assert build(1, 64, "cpu", amp=amp)() is not None


@pytest.mark.slow
def test_tables_of_whole_models(monkeypatch, capsys):
    small = {"basic": models.basic, "mask2former": models.mask2former}
    for name, build in small.items():
        monkeypatch.setattr(
            whole, name, lambda frames, size, device, _b=build, **o: _b(1, 64, device, **o)
        )
    monkeypatch.setattr(machine, "peak_rss_mib", lambda build: 1)
    tables = whole.run_forward(repeats=1, device="cpu") + whole.run_train(repeats=1, device="cpu")
    assert len(tables) == 5 and "frames per second" in capsys.readouterr().out


def test_metrics(capsys):
    pytest.importorskip("medpy")
    comparison = metrics.run(repeats=1)  # itself asserts that both find the same
    assert comparison.times_as_fast("lgrseg") > 10
    assert "times as fast" in capsys.readouterr().out


def test_data(capsys):
    comparison = data.run(repeats=1)
    assert comparison.times_as_fast("prepared store") > 3
    assert "clips per second" in capsys.readouterr().out


@pytest.mark.slow
def test_boxes(monkeypatch, capsys):
    for name, value in {"SIZE": 64, "FILLED": 2, "LENGTHS": (2,)}.items():
        monkeypatch.setattr(tracking, name, value)
    monkeypatch.setattr("lgrseg.studies.benchmarks.timing.LEAST_SECONDS", 0)
    of_a_frame, of_a_clip = tracking.run(repeats=1, device="cpu")
    assert of_a_frame.times_as_fast("4 objects") > 1
    assert 100 < of_a_clip.timings["2 frames"].peak_mib < 2000
    assert "2 frames" in capsys.readouterr().out


@pytest.mark.slow
def test_exactness():
    assert set(exactness.run(repeats=1).timings) == {"exact", "loose"}


def test_what_cannot_be_asked_for():
    for words, message in (
        (["ops", "--repeats", "0"], "1 or more, not 0"),
        (["everything"], "invalid choice"),
        *([(["ops", "--device", "cuda"], "no CUDA device")] * (not torch.cuda.is_available())),
    ):
        ended = run_script(TOOL, words)
        assert ended.returncode == 2 and message in ended.stderr


@pytest.mark.slow
def test_a_gpu_machine_needs_few_packages():
    """One without network has torch, Triton, NumPy, OpenCV, einops, SciPy, safetensors and tqdm."""
    absent = ("av", "nibabel", "SimpleITK", "pydicom", "pycocotools", "medpy", "monai", "mambapy")
    script = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from lgrseg.studies.benchmarks import ops
from lgrseg.studies.benchmarks import whole
from lgrseg.studies.benchmarks import models
models.basic(1, 64, "cpu", train=True)()
ops.scan("short", 1, 1, 32, 8, repeats=1, device="cpu")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
