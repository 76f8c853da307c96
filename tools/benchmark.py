"""How fast the parts are, beside what they replace; both measured in one run, in turns.

    python tools/benchmark.py metrics
    python tools/benchmark.py data
    python tools/benchmark.py exactness

Every figure is a median; the machine is named above the table.
"""

import argparse
import os
import platform
import sys

from lgrseg.benchmarks import data, exactness, metrics

BENCHMARKS = {"metrics": metrics.run, "data": data.run, "exactness": exactness.run}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=BENCHMARKS)
    parser.add_argument("--repeats", type=int, default=7, help="measurements of each (default 7)")
    arguments = parser.parse_args()
    print(machine())
    try:
        BENCHMARKS[arguments.name](repeats=arguments.repeats)
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is compared with and not installed", file=sys.stderr)
        return 1
    return 0


def machine() -> str:
    """The processor and the threads that torch may use."""
    import torch

    name = platform.processor() or platform.machine()
    if os.path.isfile("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {torch.get_num_threads()} threads{gpu}; torch {torch.__version__}"


if __name__ == "__main__":
    sys.exit(main())
