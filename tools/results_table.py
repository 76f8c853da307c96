"""The results of several runs as one Markdown table.

python tools/results_table.py output/demo/eval/phantom_demo_test/results.json
"""

import argparse
import json
import sys
from pathlib import Path

from lgrseg.evaluation.tables import show, with_interval


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="results.json files, one dataset")
    arguments = parser.parse_args()
    missing = [str(file) for file in arguments.files if not file.is_file()]
    if missing:
        print(f"error: no file {', '.join(missing)}", file=sys.stderr)
        return 1
    read = [json.loads(file.read_text(encoding="utf-8")) for file in arguments.files]
    # eval/<dataset>/results.json lies in the run's folder.
    print(
        markdown(dict(zip([file.parents[2].name for file in arguments.files], read, strict=True)))
    )
    return 0


def markdown(results: dict[str, dict]) -> str:
    """One row a run: Dice of every structure, mean with its 95% interval, patients.

    Raises:
        ValueError: the results are of different datasets.
    """
    datasets = sorted({result["dataset"] for result in results.values()})
    if len(datasets) > 1:
        raise ValueError(f"one table is of one dataset, not of {', '.join(datasets)}")
    classes = list(next(iter(results.values()))["classes"])
    head = ["run", *(name.replace("_", " ") for name in classes), "mean [95% CI]", "patients"]
    rows = [head, ["---"] * len(head)]
    for name, result in results.items():
        mean = with_interval(result["mean"]["dice"], result["dice_ci95"])
        scores = [show(result["classes"][cls]["dice"]) for cls in classes]
        rows.append([name, *scores, mean, str(result["num_patients"])])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
