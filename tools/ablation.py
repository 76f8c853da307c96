r"""Train several variants with the same seeds, and compare them in a table.

    python tools/ablation.py configs/lgrnet/study.py configs/lgrnet/study.py,method=hts \
        --seeds 0 1 2 --output output/ablation dataloader.train.label_fraction=0.1
    python tools/ablation.py configs/lgrnet/base.py \
        shallow=configs/lgrnet/base.py,model.encoder.num_layers=1 \
        --output output/ablation --jobs 2 --strides 2 4

A variant is a config, with changed settings after commas. NAME=CONFIG,key=value gives it a name.
`key=value` alone changes every variant. Runs are in OUTPUT/VARIANT/seed_N. Finished runs are not
repeated, and stopped runs are resumed. If a run fails, the others continue, and it is reported at
the end. If a run in OUTPUT has other settings, nothing is trained.

--strides 2 4 also evaluates every run on every second and on every fourth frame, which simulates
recordings with a lower frame rate. OUTPUT/table.{md,csv,tex} is the table of
tools/results_table.py --over-seeds: mean and standard deviation over seeds, and the gain over the
first variant.
"""

import argparse
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lgrseg.config import load_config
from lgrseg.engine.hooks import is_evaluated
from lgrseg.engine.run_folder import check_settings_are_those_of
from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.test_sets import name_tests_by_dataset
from lgrseg.engine.writers import read_metrics
from lgrseg.failures import message_of
from lgrseg.reporting.dataset_tables import markdown, tables_by_dataset, write_tables
from lgrseg.reporting.seed_table import rows_over_seeds
from lgrseg.studies.comparison.child import Children

TOOLS = Path(__file__).parent


@dataclass(frozen=True)
class Variant:
    """One row of the table: a config with changed settings."""

    name: str
    config: Path
    overrides: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Variant | None":
        """Parse [NAME=]CONFIG[,key=value...]; None if the text has no config file.

        Without NAME, the name consists of the config's name and the values of the settings.
        """
        # Only commas before a key separate settings; [1,2] has another comma.
        first, *overrides = re.split(r",(?=[\w.]+=)", text)
        match = re.fullmatch(r"(?:(?P<name>[\w.-]+)=)?(?P<config>.+\.(?:py|yaml|yml))", first)
        if match is None:
            return None
        config = Path(match["config"])
        values = [re.sub(r"[^\w.-]+", "_", word.partition("=")[2]) for word in overrides]
        return cls(match["name"] or "_".join([config.stem, *values]), config, tuple(overrides))


def main() -> int:
    """Run the command line; the exit status is 1 if a run failed, 128 + signal if stopped."""
    arguments = parse_arguments()
    try:
        for variant in arguments.variants:
            overrides = [*arguments.overrides, *variant.overrides]
            cfg = name_tests_by_dataset(load_config(variant.config, overrides))
            for run in runs_of(arguments.output, variant.name):
                check_settings_are_those_of(run, cfg)
    except (FileNotFoundError, KeyError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    jobs = [(variant, seed) for seed in arguments.seeds for variant in arguments.variants]
    try:
        with Children() as children, ThreadPoolExecutor(arguments.jobs) as pool:
            results = pool.map(lambda job: train_one(job[0], job[1], arguments, children), jobs)
            failed = [name for name in results if name]
    except StopRequested as stop:
        print(f"{stop}; the same command continues", file=sys.stderr)
        return 128 + stop.number
    names = [variant.name for variant in arguments.variants]
    tabulate(arguments.output, names, arguments.output / "table")
    for stride in arguments.strides:
        folder = arguments.output / f"stride_{stride}"
        tabulate(folder, names, folder / "table")
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="+", metavar="[NAME=]CONFIG[,key=value...] | key=value")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("output/ablation"))
    parser.add_argument(
        "--jobs", type=int, default=1, help="number of runs at the same time (default 1)"
    )
    parser.add_argument(
        "--strides",
        nargs="*",
        type=int,
        default=[],
        help="distances between frames for additional evaluations",
    )
    arguments = parser.parse_intermixed_args()
    parsed = [(word, Variant.parse(word)) for word in arguments.words]
    arguments.overrides = [word for word, variant in parsed if variant is None]
    arguments.variants = [variant for _, variant in parsed if variant is not None]
    names = [variant.name for variant in arguments.variants]
    if not names:
        parser.error("name at least one variant, such as configs/lgrnet/base.py")
    if len(set(names)) < len(names):
        parser.error(f"the names of variants must be different, not {names}")
    return arguments


def train_one(
    variant: Variant, seed: int, arguments: argparse.Namespace, children: Children
) -> str | None:
    """Train and evaluate one run, unless that is done; return its name and log if it fails."""
    run, config = arguments.output / variant.name / f"seed_{seed}", variant.config
    overrides = [*arguments.overrides, *variant.overrides]
    overrides += [f"train.seed={seed}", f"train.output_dir={run}"]
    if arguments.jobs > 1:
        overrides.insert(0, f"train.num_threads={max(1, (os.cpu_count() or 1) // arguments.jobs)}")
    cfg = load_config(config, overrides)
    keys, names = list(cfg.dataloader.test), list(name_tests_by_dataset(cfg).dataloader.test)
    if not is_finished(run, cfg.train.max_iter, names):
        print(f"training {run}", file=sys.stderr, flush=True)
        if train_net(children, run, "--config-file", config, "--resume", *overrides):
            return f"{run}, see {run}.log"
    weights = run / "checkpoints" / "last.safetensors"
    for stride in arguments.strides:
        at_rate = arguments.output / f"stride_{stride}" / variant.name / run.name
        if all(is_newer(at_rate / "eval" / name / "results.json", weights) for name in names):
            continue
        sparser = [f"dataloader.test.{key}.mapper.frame_sampler.stride={stride}" for key in keys]
        changes = [f"train.init_weights={weights}"]
        changes += [f"train.output_dir={at_rate}", "train.export_videos=0", *sparser]
        if train_net(
            children, at_rate, "--config-file", config, "--eval-only", *overrides, *changes
        ):
            return f"{at_rate}, see {at_rate}.log"
    return None


def is_finished(run: Path, max_iter: int, names: list[str]) -> bool:
    """True if a run was trained to its end and evaluated on all its test datasets."""
    return any(
        line["iteration"] == max_iter and all(is_evaluated(line, name) for name in names[-1:])
        for line in read_metrics(run)
    )


def is_newer(results: Path, weights: Path) -> bool:
    """True if there are results, and they are newer than the weights."""
    if not (results.is_file() and weights.is_file()):
        return results.is_file()
    return results.stat().st_mtime >= weights.stat().st_mtime


def train_net(children: Children, run: Path, *words) -> int:
    """Run tools/train_net.py with its output in RUN.log, and return its exit status."""
    run.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(TOOLS / "train_net.py"), *map(str, words)]
    with open(f"{run}.log", "a", encoding="utf-8") as log:
        return children.run(command, log)


def runs_of(output: Path, name: str) -> list[Path]:
    """List the folders of a variant's runs, also those of earlier commands with other seeds."""
    return [run for run in sorted((output / name).glob("seed_*")) if run.is_dir()]


def tabulate(output: Path, names: list[str], file: Path) -> None:
    """Write and print the table of all runs of these variants."""
    runs = [run for name in names for run in runs_of(output, name)]
    tables = tables_by_dataset(rows_over_seeds(runs))
    if tables:
        print(markdown(tables))
        write_tables(tables, file)
    elif runs:
        print("error: none of these runs was evaluated", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
