r"""Test runs on other datasets, on degraded frames, and on clips without labels.

    python tools/robustness.py output/lgrnet output/phantom_apical \
        --datasets camus_4ch_val phantom_apical_val --output output/robustness
    python tools/robustness.py output/lgrnet --datasets camus_4ch_val --only gain haze
    python tools/robustness.py output/lgrnet --clips path/to/clips/*.mp4

Without RUN, the model is the one that comes with lgrseg.

--datasets tests every run on every dataset: clean, and with seven degradations, each with four
strengths (lgrseg/studies/robustness/degradations.py). Only structures that run and dataset share
are scored. Written to OUTPUT:

    DATASET.png       every degradation at every strength, on one clip of the dataset
    scores.json       Dice and HD95 of every structure for (run, dataset, degradation, strength)
    scores.csv        the same as a table
    robustness.md     Dice on the clean datasets, and with all degradations
    robustness.png    Dice against strength

A row that exists already is kept if the weights are the same. So a stopped command continues, and
further runs are added to the same table.

--clips measures how steady the masks of whole clips are: OUTPUT/clips.{csv,md} have the jumps and
the vanishings per second of every structure (lgrseg/evaluation/metrics/steadiness.py).
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config.targets import add_import_options, import_modules
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.failures import message_of
from lgrseg.inference.pretrained import pretrained_run
from lgrseg.reporting.run_names import distinct_names
from lgrseg.studies.robustness.contact_sheet import contact_sheet
from lgrseg.studies.robustness.degradations import CLEAN, degradations_called
from lgrseg.studies.robustness.scores import read_scores, score, write_scores
from lgrseg.studies.robustness.tables import write_tables
from lgrseg.studies.robustness.unlabelled import write_steadiness
from lgrseg.visualization.overlays import write_png


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    folders = arguments.runs or [pretrained_run()]
    named = dict(zip(distinct_names(folders), folders, strict=True))
    try:
        import_modules(arguments.imports)
        if arguments.datasets:
            test(named, arguments)
        if arguments.clips:
            clips, output = arguments.clips, arguments.output
            print(write_steadiness(named, clips, output, trusted=arguments.trust))
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument("--datasets", nargs="+", default=[], metavar="NAME")
    parser.add_argument(
        "--only", nargs="+", metavar="DEGRADATION", help="only these, such as gain or 'zoom out'"
    )
    parser.add_argument("--clips", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--output", type=Path, default=Path("output/robustness"))
    add_import_options(parser)
    arguments = parser.parse_args()
    if not (arguments.datasets or arguments.clips):
        parser.error("name --datasets, --clips, or both")
    return arguments


def test(named: dict[str, Path], arguments: argparse.Namespace) -> None:
    """Evaluate the runs on the datasets, and write tables and plot.

    Raises:
        ValueError: there is no such dataset or degradation, or a run shares no structure with a
            dataset.
    """
    chosen = [CLEAN, *degradations_called(arguments.only)]
    file = arguments.output / "scores.json"
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = read_scores(file)
    for name, folder in named.items():
        run = LoadedRun(folder, name=name, trusted=arguments.trust)
        rows = [row for row in rows if row.run != name or row.made_by == run.made_by]
        for dataset in arguments.datasets:
            clip = next(iter(run.loader(dataset)))[0][2]
            write_png(arguments.output / f"{dataset}.png", contact_sheet(clip))
            for degradation in chosen:
                for strength in degradation.strengths:
                    key = name, dataset, degradation.name, strength
                    if key not in {row.key for row in rows}:
                        rows.append(score(run, dataset, degradation, strength))
                        write_scores(file, rows)
    print(write_tables(rows, arguments.output))


if __name__ == "__main__":
    sys.exit(main())
