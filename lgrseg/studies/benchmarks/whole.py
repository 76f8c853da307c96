"""Time and memory of forward passes and training steps of whole models."""

import functools
from collections.abc import Callable

from lgrseg.studies.benchmarks import machine
from lgrseg.studies.benchmarks.models import basic, mask2former
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

MASK2FORMER = "Mask2Former, Swin-T"


def run_forward(*, repeats: int, device: str) -> list[Comparison]:
    """Time prediction: BASIC and Mask2Former at 256 px, and BASIC at the sizes of LGRNet."""
    args = {"device": device}
    comparisons = [_beside_peer("Prediction", repeats, args)]
    for frames, size in ((6, 352), (11, 384)):
        candidates = {
            "BASIC": functools.partial(basic, frames, size, **args),
            "BASIC, bf16": functools.partial(basic, frames, size, amp=True, **args),
        }
        title = f"Prediction, {frames} frames of {size} px"
        comparisons.append(_compare(title, candidates, "BASIC", frames, repeats, args))
    return comparisons


def run_train(*, repeats: int, device: str) -> list[Comparison]:
    """Time training steps: BASIC and Mask2Former at 256 px, and BASIC at the sizes of LGRNet."""
    args = {"device": device, "train": True}
    comparisons = [_beside_peer("Training", repeats, args)]
    candidates = {
        "BASIC": functools.partial(basic, 6, 352, **args),
        "BASIC, recomputed": functools.partial(basic, 6, 352, recompute=True, **args),
        "BASIC, bf16": functools.partial(basic, 6, 352, amp=True, **args),
        "BASIC, bf16, recomputed": functools.partial(
            basic, 6, 352, amp=True, recompute=True, **args
        ),
    }
    comparisons.append(
        _compare("Training, 6 frames of 352 px", candidates, "BASIC", 6, repeats, args)
    )
    if device == "cuda":
        many = {
            "BASIC": functools.partial(basic, 7, 336, clips=8, **args),
            "BASIC, bf16": functools.partial(basic, 7, 336, clips=8, amp=True, **args),
            "BASIC, bf16, compiled": functools.partial(
                basic, 7, 336, clips=8, amp=True, compiled=True, **args
            ),
        }
        title = "Training, 8 clips of 7 frames of 336 px"
        comparisons.append(_compare(title, many, "BASIC", 56, repeats, args))
    return comparisons


def _beside_peer(what: str, repeats: int, args: dict) -> Comparison:
    builders = {}
    for amp, suffix in ((False, ""), (True, ", bf16")):
        builders[f"BASIC{suffix}"] = functools.partial(basic, 6, 256, amp=amp, **args)
        builders[MASK2FORMER + suffix] = functools.partial(mask2former, 6, 256, amp=amp, **args)
    return _compare(f"{what}, 6 frames of 256 px", builders, MASK2FORMER, 6, repeats, args)


def _compare(
    title: str, builders: dict[str, Callable], baseline: str, frames: int, repeats: int, args: dict
) -> Comparison:
    device = args["device"]
    candidates = {name: build() for name, build in builders.items()}
    timings = in_turns(candidates, repeats=repeats, device=device)
    del candidates
    if device == "cpu":
        for name, build in builders.items():
            timings[name].peak_mib = machine.peak_rss_mib(build)
    rates = ", ".join(f"{name}: {frames / t.seconds:.1f}" for name, t in timings.items())
    return Comparison(title, timings, baseline, note=f"frames a second: {rates}").show()
