"""Measure the speed of parts and models, and compare it with that of alternatives.

    python tools/benchmark.py ops                     attention, scan and point sampling
    python tools/benchmark.py model                   prediction of whole models
    python tools/benchmark.py train                   training steps and their memory
    python tools/benchmark.py data                    reading clips
    python tools/benchmark.py metrics                 distances between borders
    python tools/benchmark.py boxes                   BOX-SAM2: seconds per frame, memory of a clip
    python tools/benchmark.py tokens                  AR-SEG: order of tokens, and the cache
    python tools/benchmark.py backbones               pretrained encoders: time and memory
    python tools/benchmark.py images                  pretraining: single PNG files and shards
    python tools/benchmark.py exactness               cost of separate random numbers for every clip
    python tools/benchmark.py all --json figures.json

The alternatives are measured in turns with the parts. Alternatives that are not installed are left
out. Every number is a median with its quartiles. The machine is described above the tables. On a
GPU, `ops` first compares every kernel with its reference.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that --help is fast
    from lgrseg.studies.benchmarks.timing import Comparison

ALL = ("ops", "model", "train", "data", "metrics")
OTHERS = ("boxes", "tokens", "backbones", "exactness", "images")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*ALL, *OTHERS, "all"])
    parser.add_argument("--repeats", type=int, default=7, help="number of measurements (default 7)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--json", type=Path, metavar="FILE", help="JSON file for all results")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats must be 1 or more, not {arguments.repeats}")

    from lgrseg.comm.processes import pick_device
    from lgrseg.studies.benchmarks import machine
    from lgrseg.studies.benchmarks.timing import write_json

    try:
        device = pick_device(arguments.device).type
    except ValueError as error:
        parser.error(str(error).replace("train.device=", "--device "))
    described = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in described.items()))
    comparisons: list[Comparison] = []
    checks: list[dict] = []
    for name in ALL if arguments.name == "all" else [arguments.name]:
        try:
            comparisons += _run(name, checks, repeats=arguments.repeats, device=device)
        except ModuleNotFoundError as error:
            if arguments.name != "all":
                print(f"error: this comparison needs {error.name}; install it", file=sys.stderr)
                return 1
            print(f"{name}: not measured, {error.name} is not installed")
        if arguments.json:
            write_json(
                arguments.json, described, comparisons, checks
            )  # after each, so that none is lost
    return 0 if all(check["holds"] for check in checks) else 1


def _run(name: str, checks: list[dict], *, repeats: int, device: str) -> "list[Comparison]":
    if name in ("ops", "model", "train"):
        from lgrseg.studies.benchmarks import ops, whole

        if name == "ops":
            checks += ops.check_kernels(device)
            return ops.run(repeats=repeats, device=device)
        run_model = whole.run_forward if name == "model" else whole.run_train
        return run_model(repeats=repeats, device=device)
    from lgrseg.studies.benchmarks import data, exactness, metrics, tracking

    if name == "backbones":
        from lgrseg.studies.benchmarks import backbones

        return backbones.run(repeats=repeats, device=device)
    if name == "images":
        from lgrseg.studies.benchmarks import images

        return images.run(repeats=repeats)
    if name == "boxes":
        return tracking.run(repeats=repeats, device=device)
    if name == "tokens":
        from lgrseg.studies.benchmarks import mask_decoding

        return mask_decoding.run(repeats=repeats, device=device)
    run_on_cpu = {"data": data.run, "metrics": metrics.run, "exactness": exactness.run}[name]
    return [run_on_cpu(repeats=repeats)]


if __name__ == "__main__":
    sys.exit(main())
