r"""Compare frozen or fine-tuned backbones with the same head, data, steps and seeds.

    python tools/compare_backbones.py --config-file configs/foundation/dinov2.py \
        --backbones dinov2_small=weights/dinov2.safetensors dinov3_vits16=weights/dinov3.pth \
        --seeds 0 1 2 --fractions 0.01 0.1 1.0 --output output/compare_brain_tumor
    python tools/compare_backbones.py --config-file configs/foundation/dinov2.py \
        --backbones dinov2_small dinov3_vits16 --time-cache
    python tools/compare_backbones.py --config-file configs/equal_size/pvt_fpn.py --fine-tune \
        --backbones efficientnet_lite0=imagenet efficientnet_lite0 --seeds 0 1 2 --fractions 0.05
    python tools/compare_backbones.py --config-file configs/foundation/dinov2.py \
        --backbones dinov2_small=W1.pth config:OTHER.py,model.backbone.encoder.weights=W2.pth

A backbone is NAME=WEIGHTS, with a name of `build_encoder` and the file of its weights. Without
weights the backbone has random weights; if these stay frozen, its row is only in a table called
"machinery check", not in the results. All other settings of the config's `build_encoder` stay the
same, and its `layers` are converted to the same parts of each encoder's depth.

`config:PATH,KEY=VALUE,KEY=VALUE` compares another config with changed settings; its name is that of
its file. Its model, optimiser, schedule and clip norm are used, with the clips, steps and seeds of
the shared config. Its features are cached if its encoder is completely frozen (an example with two
encoders: configs/foundation/hiera_dinov2.py).

Encoders are frozen, and their features are cached on disk. With --fine-tune they are trained too,
on clips augmented at random as in the shared config, and nothing is cached. Cached features are
those of the unaugmented image, or with --copies K of K fixed augmented copies of each clip. Their
size on the disk is printed before the first run. With --fractions, only the labels of this part of
the patients are used; dataloader.train.label_seed selects them, and the JSON file lists them.

Runs are in OUTPUT/fraction_F/NAME/seed_N. Finished runs are not repeated, and stopped runs are
resumed (Ctrl-C and SIGTERM save the run). If a run fails, the others continue, and it is reported
at the end. A run in OUTPUT with other settings, weights or precision is an error. `key=value`
changes the shared config. Tables are in OUTPUT/comparison.{md,csv,json} and
OUTPUT/comparison_paired.csv. --only trains one run and writes no table. --time-cache measures
epochs of one fraction and seed with and without cached features.
"""

import argparse
import json
import os
import re
import signal
import sys
from pathlib import Path

from lgrseg.config import load_asked_config
from lgrseg.config.targets import add_import_options
from lgrseg.engine.logs import log_to_console
from lgrseg.engine.stopping import StopRequested
from lgrseg.failures import message_of


def main() -> int:
    """Run the command line; the exit status is 1 if a run failed."""
    arguments = parse_arguments()
    try:
        return compare(arguments)
    except (KeyboardInterrupt, StopRequested) as stop:
        if isinstance(stop, KeyboardInterrupt):
            stop = StopRequested(signal.SIGINT)
        print(f"{stop}; the same command resumes from the saved runs", file=sys.stderr)
        return 128 + stop.number
    except (ImportError, KeyError, OSError, ValueError) as error:
        if os.environ.get("LGRSEG_TRACEBACK"):
            raise
        notes = "".join(f"\n  ({note})" for note in getattr(error, "__notes__", ()))
        print(f"error: {message_of(error)}{notes}", file=sys.stderr)
        return 1


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file", required=True, help="shared config: head, data, optimiser and steps"
    )
    parser.add_argument(
        "--backbones",
        nargs="+",
        required=True,
        metavar="NAME[=WEIGHTS]|config:PATH[,KEY=VALUE...]",
        help="encoders with their weights, or whole configs with changed settings",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--fractions", nargs="+", type=float, default=[1.0], help="parts of the labels, 0 to 1"
    )
    parser.add_argument(
        "--copies", type=int, default=0, help="number of augmented copies (0: none)"
    )
    parser.add_argument(
        "--fine-tune", action="store_true", help="train the encoders too, instead of the head only"
    )
    parser.add_argument("--output", type=Path, default=Path("output/compare_backbones"))
    parser.add_argument("--cache", type=Path, help="folder of features (default OUTPUT/features)")
    kinds = ["float32", "bfloat16", "float16"]
    parser.add_argument("--precision", choices=kinds, default="float32", help="type of features")
    parser.add_argument("--max-cache-gib", type=float, default=50.0, help="limit of the disk space")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--time-cache", action="store_true", help="only measure the time of epochs")
    kind.add_argument("--only", nargs=3, metavar=("NAME", "FRACTION", "SEED"))
    add_import_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    # Options with several words would include settings that follow them. A setting has a dot in its
    # key, and weights=path does not.
    is_setting = re.compile(r"\w+(\.\w+)+=")
    words = sys.argv[1:]
    arguments = parser.parse_args([word for word in words if not is_setting.match(word)])
    arguments.overrides += [word for word in words if is_setting.match(word)]
    if arguments.fine_tune and (arguments.copies or arguments.time_cache):
        parser.error("--copies and --time-cache are for cached features; --fine-tune caches none")
    arguments.cache = arguments.cache or arguments.output / "features"
    return arguments


def compare(arguments: argparse.Namespace) -> int:
    """Prepare every row, train the runs that are not finished, and write the tables."""
    from lgrseg.studies.comparison.prepared import prepare, prepare_fine_tuned, with_fixed_copies
    from lgrseg.studies.comparison.rows import parse_rows
    from lgrseg.studies.comparison.runs import config_of_run, finished, run, run_folder

    rows = parse_rows(arguments.backbones)
    shared = load_asked_config(arguments)
    prepare_row = prepare_fine_tuned if arguments.fine_tune else prepare
    if not arguments.fine_tune:
        shared = with_fixed_copies(shared, arguments.copies)
    log_to_console()
    if arguments.only:
        name, fraction, seed = arguments.only
        named = {row.name: row for row in rows}
        if name not in named:
            raise ValueError(f"no row is called {name!r}; there are: {', '.join(named)}")
        prepared = prepare_row(named[name], shared)
        folder = run_folder(arguments.output, prepared, float(fraction), int(seed))
        cfg = config_of_run(prepared, folder, float(fraction), int(seed))
        if not finished(prepared, cfg, arguments.precision):
            run(prepared, cfg, cache=arguments.cache, precision=arguments.precision)
        return 0
    compared = [prepare_row(row, shared) for row in rows]
    if arguments.time_cache:
        return time_cache(compared, shared, arguments)
    if not arguments.fine_tune:
        show_plan(compared, shared, arguments)
    runs = []
    for fraction in arguments.fractions:
        for seed in arguments.seeds:
            for prepared in compared:
                folder = run_folder(arguments.output, prepared, fraction, seed)
                cfg = config_of_run(prepared, folder, fraction, seed)
                is_done = finished(
                    prepared, cfg, arguments.precision
                )  # checked for all runs before the first is trained
                runs.append((prepared.row.name, folder, fraction, seed, is_done))
    failed: list[str] = []
    done: dict[float, dict[str, list[Path]]] = {}
    for name, folder, fraction, seed, is_done in runs:
        if not is_done and train_alone(name, folder, fraction, seed):
            failed.append(f"{folder}, see {folder}.log")
        else:
            done.setdefault(fraction, {}).setdefault(name, []).append(folder)
    tabulate(shared, done, failed, arguments)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed else 0


def show_plan(rows: list, shared, arguments: argparse.Namespace) -> None:
    """Print the disk space that the features need.

    Raises:
        ValueError: it is more than the limit.
    """
    from lgrseg.studies.comparison.disk import plan

    for line in plan(
        rows,
        shared,
        max(arguments.fractions),
        cache=arguments.cache,
        precision=arguments.precision,
        limit_gib=arguments.max_cache_gib,
    ):
        print(line, flush=True)


def train_alone(name: str, folder: Path, fraction: float, seed: int) -> int:
    """Train one run in a new process with its output in FOLDER.log; return its exit status."""
    from lgrseg.studies.comparison.child import run_child

    print(f"training {folder}", file=sys.stderr, flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *sys.argv, "--only", name, f"{fraction!r}", str(seed)]
    with open(f"{folder}.log", "a", encoding="utf-8") as log:
        return run_child(command, log)


def time_cache(rows: list, shared, arguments: argparse.Namespace) -> int:
    """Time epochs with and without cached features; print a table and write time_cache.json."""
    from lgrseg.studies.benchmarks import machine
    from lgrseg.studies.benchmarks.timing import write_json
    from lgrseg.studies.comparison.epoch_times import time_epochs

    for option in ("fractions", "seeds"):
        if len(given := getattr(arguments, option)) > 1:
            raise ValueError(f"--time-cache needs one value of --{option}, not {len(given)}")
    kept = [prepared for prepared in rows if prepared.is_cached]
    for prepared in rows:
        if prepared not in kept:
            reason = "it has no completely frozen encoder, so its features are not cached"
            print(f"{prepared.row.name} is not timed: {reason}", file=sys.stderr)
    if not kept:
        raise ValueError("--time-cache needs an encoder in --backbones, whose features are cached")
    # Only the features of one row are on the disk at a time.
    show_plan([max(kept, key=lambda row: row.bytes_per_frame)], shared, arguments)
    compared = []
    for prepared in kept:
        prepared.cfg.dataloader.train.label_fraction = arguments.fractions[0]
        prepared.cfg.train.seed = arguments.seeds[0]
        timed = time_epochs(prepared, cache=arguments.cache, precision=arguments.precision)
        compared.append(timed.show())
    write_json(arguments.output / "time_cache.json", machine.describe(), compared, [])
    return 0


def tabulate(shared, done: dict, failed: list[str], arguments: argparse.Namespace) -> None:
    """Write the tables of all finished runs, and print them."""
    from lgrseg.studies.benchmarks import machine
    from lgrseg.studies.comparison.results import BackboneComparison, Section
    from lgrseg.studies.comparison.summary import summarise
    from lgrseg.studies.comparison.tables import markdown, write_tables

    sections = []
    for fraction, runs in done.items():
        labels = next(iter(runs.values()))[0] / "labels.json"
        labelled = json.loads(labels.read_text(encoding="utf-8"))["labelled"]
        for dataset in shared.dataloader.test:
            sections.append(
                Section(
                    dataset=dataset,
                    label_fraction=fraction,
                    labelled_patients=labelled["patients"],
                    labelled_videos=labelled["videos"],
                    tables=summarise(runs, dataset),
                )
            )
    comparison = BackboneComparison(
        config=str(arguments.config_file),
        overrides=arguments.overrides,
        machine=machine.describe(),
        sections=sections,
        failed=failed,
    )
    write_tables(comparison, arguments.output)
    print(markdown(comparison))


if __name__ == "__main__":
    sys.exit(main())
