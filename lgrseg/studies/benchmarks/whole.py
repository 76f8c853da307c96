"""Time and memory of forward passes and training steps of whole models."""

import functools
from collections.abc import Callable, Mapping

from lgrseg.studies.benchmarks import machine
from lgrseg.studies.benchmarks.models import basic, mask2former
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

MASK2FORMER = "Mask2Former, Swin-T"
Builder = Callable[[], Callable[[], object]]
"""Builds a model, and returns the function that is timed."""


def run_forward(*, repeats: int, device: str) -> list[Comparison]:
    """Time prediction: BASIC and Mask2Former at 256 px, and BASIC at the sizes of LGRNet."""
    comparisons = [_beside_peer("Prediction", repeats, device, train=False)]
    for frames, size in ((6, 352), (11, 384)):
        plain = functools.partial(basic, frames, size, device=device)
        candidates = {"BASIC": plain, "BASIC, bf16": functools.partial(plain, amp=True)}
        title = f"Prediction, {frames} frames of {size} px"
        comparisons.append(_compare(title, candidates, "BASIC", frames, repeats, device))
    return comparisons


def run_train(*, repeats: int, device: str) -> list[Comparison]:
    """Time training steps: BASIC and Mask2Former at 256 px, and BASIC at the sizes of LGRNet."""
    comparisons = [_beside_peer("Training", repeats, device, train=True)]
    plain = functools.partial(basic, 6, 352, device=device, train=True)
    candidates = {
        "BASIC": plain,
        "BASIC, recomputed": functools.partial(plain, recompute=True),
        "BASIC, bf16": functools.partial(plain, amp=True),
        "BASIC, bf16, recomputed": functools.partial(plain, amp=True, recompute=True),
    }
    title = "Training, 6 frames of 352 px"
    comparisons.append(_compare(title, candidates, "BASIC", 6, repeats, device))
    if device == "cuda":
        large = functools.partial(basic, 7, 336, device=device, clips=8, train=True)
        candidates = {
            "BASIC": large,
            "BASIC, bf16": functools.partial(large, amp=True),
            "BASIC, bf16, compiled": functools.partial(large, amp=True, compiled=True),
        }
        title = "Training, 8 clips of 7 frames of 336 px"
        comparisons.append(_compare(title, candidates, "BASIC", 56, repeats, device))
    return comparisons


def _beside_peer(what: str, repeats: int, device: str, *, train: bool) -> Comparison:
    builders = {}
    for amp, suffix in ((False, ""), (True, ", bf16")):
        for name, model in (("BASIC", basic), (MASK2FORMER, mask2former)):
            build = functools.partial(model, 6, 256, device, amp=amp, train=train)
            builders[name + suffix] = build
    return _compare(f"{what}, 6 frames of 256 px", builders, MASK2FORMER, 6, repeats, device)


def _compare(
    title: str,
    builders: Mapping[str, Builder],
    baseline: str,
    frames: int,
    repeats: int,
    device: str,
) -> Comparison:
    candidates = {name: build() for name, build in builders.items()}
    timings = in_turns(candidates, repeats=repeats, device=device)
    del candidates
    if device == "cpu":
        for name, build in builders.items():
            timings[name].peak_mib = machine.peak_rss_mib(build)
    rates = ", ".join(f"{name}: {frames / t.seconds:.1f}" for name, t in timings.items())
    return Comparison(title, timings, baseline, note=f"frames per second: {rates}").show()
