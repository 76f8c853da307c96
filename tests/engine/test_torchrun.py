"""Processes of torchrun, with gloo: one gradient, and one end."""

import functools
import os
import subprocess
import sys
import time
from pathlib import Path

import in_processes
import pytest
import torch
from omegaconf import OmegaConf
from two_processes import in_two_processes

from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency

SCRIPT = Path(in_processes.__file__)


def largest_difference(one, other):
    """Over all parameters, relative to the largest entry of the whole gradient."""
    largest = max(float(value.abs().max()) for value in other.values())
    return max(float((one[name] - other[name]).abs().max()) for name in other) / largest


@functools.cache
def whole_gradient(dtype=torch.float64):
    """Of the four clips in one batch."""
    return in_processes.gradient(batch_size=4, dtype=dtype)


TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_accumulated_batches_are_one_batch(dtype):
    whole = whole_gradient(dtype)
    for batch_size in (2, 1):
        parts = in_processes.gradient(
            batch_size=batch_size, accumulate=4 // batch_size, dtype=dtype
        )
        assert largest_difference(parts, whole) < TOLERANCE[dtype]


def test_two_processes_of_two_clips_are_one_of_four(tmp_path):
    in_two_processes(in_processes.save_gradients, tmp_path / "gradient.pt")
    spread = torch.load(tmp_path / "gradient.pt", weights_only=True)
    for dtype, tolerance in TOLERANCE.items():
        whole = whole_gradient(dtype)
        assert largest_difference(spread[str(dtype)], whole) < tolerance
    whole = in_processes.distilled(in_processes.lgsd(), batch_size=4)
    assert largest_difference(spread["lgsd"], whole) < 1e-9
    assert (
        whole["buffer.teacher_logits.query.mean"].abs().max() > 1e-3
    )  # centred over both processes
    whole = in_processes.of_crops(batch_size=4)
    assert largest_difference(spread["crops"], whole) < 1e-9  # one coding rate of both
    half = in_processes.of_crops(batch_size=2)
    assert largest_difference(half, whole) > 1e-3
    whole = in_processes.of_contrast(batch_size=4)
    assert largest_difference(spread["contrast"], whole) < 1e-9  # frames of both are compared
    assert largest_difference(in_processes.of_contrast(batch_size=2), whole) > 1e-3


@pytest.mark.parametrize("objective", [in_processes.lgsd, MaskConsistency])
def test_accumulated_batches_with_a_teacher_are_one_batch(objective):
    whole = in_processes.distilled(objective(), batch_size=4)
    parts = in_processes.distilled(objective(), batch_size=2, accumulate=2)
    assert largest_difference(parts, whole) < 1e-9


def test_draws_are_of_the_clip_not_of_the_batch(monkeypatch):
    """The control: with other seeds of the clips the gradient is another."""
    whole = whole_gradient()
    usual = in_processes.sample

    def reseeded(number):
        clip, target = usual(number)
        clip.seed += 1
        return clip, target

    monkeypatch.setattr(in_processes, "sample", reseeded)
    assert largest_difference(in_processes.gradient(batch_size=4), whole) > 0.01


def torchrun(*arguments, timeout=120):
    """Two processes of in_processes.py; status, output and seconds."""
    begin = time.perf_counter()
    ended = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            str(SCRIPT), *map(str, arguments),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    return ended.returncode, ended.stdout + ended.stderr, time.perf_counter() - begin


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "shown"),
    [("raise", "process 1 fell off the disk"), ("end", "SIGKILL")],
)
def test_a_process_that_ends_takes_the_other_with_it(tiny_cfg, tmp_path, how, shown):
    tiny_cfg.train.max_iter = 100_000
    OmegaConf.save(tiny_cfg, tmp_path / "config.yaml")
    status, output, seconds = torchrun(how, tmp_path / "config.yaml")
    assert status != 0 and shown in output
    assert seconds < 60
