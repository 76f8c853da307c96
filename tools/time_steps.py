r"""Print how many training steps of each config fit into a budget of CPU time.

    python tools/time_steps.py configs/equal_size/*.py --minutes 60
    python tools/time_steps.py configs/equal_size/*.py --minutes 20 dataset=phantom_demo

Every config takes some steps from random weights with its real training data, on one thread. Times
are CPU times of the process, so other processes have little effect. Train with this number of
steps: train.max_iter=N. From the budget of AR-SEG, subtract the time of its tokenizer.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config import load_config
from lgrseg.failures import message_of
from lgrseg.studies.benchmarks.steps import time_steps


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="+", metavar="CONFIG", help="configs, then key=value")
    parser.add_argument("--minutes", type=float, default=60.0, help="the budget (default 60)")
    parser.add_argument("--steps", type=int, default=30, help="measured steps (default 30)")
    arguments = parser.parse_intermixed_args()
    if arguments.steps < 1 or arguments.minutes <= 0:
        parser.error("--steps must be 1 or more, and --minutes above 0")
    overrides = [word for word in arguments.words if "=" in word]
    budget = f"steps in {arguments.minutes:g} min"
    heads = [f"{head:>13}" for head in ("M parameters", "CPU s a step", "frames a step")]
    print(f"{'config':40} {' '.join(heads)} {budget:>16}")
    try:
        for config in (Path(word) for word in arguments.words if "=" not in word):
            measured = time_steps(load_config(config, overrides), arguments.steps)
            print(
                f"{config!s:40} {measured.num_parameters / 1e6:13.2f} {measured.seconds:13.2f} "
                f"{measured.num_frames:13} {measured.steps_in(arguments.minutes):16}",
                flush=True,
            )
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
