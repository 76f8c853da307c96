r"""Plot the validation Dice of several runs against training time.

python tools/plot_curves.py output/lgrnet output/unet \\
        --dataset camus_4ch_val --output output/curves.png
"""

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from lgrseg.engine.hooks import is_evaluated
from lgrseg.engine.writers import read_metrics
from lgrseg.reporting.run_names import distinct_names, named_folder


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="run folders, or NAME=FOLDER")
    parser.add_argument("--dataset", required=True, help="name of the test dataset")
    parser.add_argument("--output", required=True, type=Path, help="file of the picture")
    parser.add_argument(
        "--seconds-per-step",
        nargs="*",
        type=float,
        help="seconds of a step for every run, instead of measured times; use this for runs that "
        "were trained on the machine at the same time",
    )
    parser.add_argument("--lowest", type=float, help="lower end of the Dice axis")
    arguments = parser.parse_args()
    try:
        runs = named_runs(arguments.runs)
        clocks = arguments.seconds_per_step or [None] * len(runs)
        if len(clocks) != len(runs):
            raise ValueError(f"--seconds-per-step needs {len(runs)} numbers, not {len(clocks)}")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    figure = plot(runs, arguments.dataset, clocks)
    if figure is None:
        print(f"error: no run was evaluated on {arguments.dataset}", file=sys.stderr)
        return 1
    if arguments.lowest is not None:
        for panel in figure.axes:
            panel.set_ylim(bottom=arguments.lowest)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=120)
    return 0


def named_runs(texts: list[str]) -> dict[str, Path]:
    """Name -> folder of every run; folders with the same name get longer names.

    Raises:
        ValueError: a folder does not exist, or two runs have the same name.
    """
    given = [named_folder(text) for text in texts]
    usual = iter(distinct_names([folder for name, folder in given if not name]))
    runs = [(name or next(usual), folder) for name, folder in given]
    names = [name for name, _ in runs]
    if len(set(names)) < len(names):
        raise ValueError(f"runs must have different names: {', '.join(names)}; use NAME=FOLDER")
    return dict(runs)


def plot(runs: dict[str, Path], dataset: str, clocks: list[float | None]):
    """Draw a panel for the mean and for each class; None if no run was evaluated."""
    curves = {
        name: [
            (line["iteration"] * clock if clock else line["train_seconds"], line)
            for line in read_metrics(folder)
            if is_evaluated(line, dataset)
        ]
        for (name, folder), clock in zip(runs.items(), clocks, strict=True)
    }
    lines = [line for curve in curves.values() for _, line in curve]
    if not lines:
        return None
    for name in [name for name, curve in curves.items() if not curve]:
        print(f"{name} was not evaluated on {dataset}, so it has no curve", file=sys.stderr)
    prefix = f"eval/{dataset}/"
    metrics = [key for key in lines[0] if key.startswith(prefix)]
    figure, panels = plt.subplots(
        1, len(metrics), figsize=(3.6 * len(metrics), 3.4), layout="constrained", squeeze=False
    )
    for panel, metric in zip(panels[0], metrics, strict=True):
        for name, curve in curves.items():
            points = [
                (seconds / 60, line[metric])
                for seconds, line in curve
                if line.get(metric) is not None
            ]
            if points:
                panel.plot(*zip(*points, strict=True), marker=".", label=name)
        panel.set(title=metric.removeprefix(prefix).replace("_", " "), xlabel="minutes of training")
        panel.grid(alpha=0.3)
    panels[0, 0].legend(fontsize=8)
    return figure


if __name__ == "__main__":
    sys.exit(main())
