"""Train or evaluate a model.

    python tools/train_net.py --config-file configs/lgrnet/demo.py
    python tools/train_net.py --config-file configs/lgrnet/base.py train.max_iter=500
    python tools/train_net.py --config-file configs/lgrnet/base.py --resume
    python tools/train_net.py --config-file output/lgrnet/config.yaml --eval-only
    python tools/train_net.py --config-file output/lgrnet_mine/config.yaml --eval-only \
        --datasets mine_test
    torchrun --nproc-per-node 2 tools/train_net.py --config-file configs/lgrnet/base.py

`key=value` changes one setting of the config; elements of lists have numbers. The run is written to
`train.output_dir`, and only one command can write there at a time. With --overwrite, the old run is
kept until the new run has its first checkpoint, and is restored if the new run fails before.
--eval-only uses the last checkpoint of the run (the best one if there is no last), or the weights
of train.init_weights=FILE on the command line; apical_simulated stands for those of lgrseg.
--datasets evaluates these datasets instead of those of the config, and writes the results to
eval/NAME.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator

from lgrseg.comm import processes as distributed
from lgrseg.config import load_asked_config, without_weights
from lgrseg.config.targets import add_import_options
from lgrseg.engine.logs import log_to_console, log_to_file
from lgrseg.engine.run_folder import folder_of_run, replacing_run
from lgrseg.engine.run_record import command_line
from lgrseg.engine.stopping import StopRequested
from lgrseg.engine.test_sets import with_test_sets
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.workers import WorkerEndedError
from lgrseg.failures import message_of


def main() -> int:
    """Run the command line; the exit status is 128 + signal if a signal stopped the run."""
    arguments = parse_arguments()
    try:
        run(arguments)
    except StopRequested as stop:
        if distributed.is_main_process():
            print(f"{stop}, and saved; resume it with\n    {resume_command()}", file=sys.stderr)
        return 128 + stop.number
    except (
        FloatingPointError, KeyError, MemoryError, OSError, ValueError, WorkerEndedError
    ) as error:  # fmt: skip
        if distributed.get_world_size() > 1 or os.environ.get("LGRSEG_TRACEBACK"):
            raise  # torchrun ends the other processes, and shows which process failed
        notes = "".join(f"\n  ({note})" for note in getattr(error, "__notes__", ()))
        hint = "(LGRSEG_TRACEBACK=1 shows where)"
        print(f"error: {message_of(error)}{notes}\n{hint}", file=sys.stderr)
        return 1
    distributed.close()
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a .py config, or a run's config.yaml")
    parser.add_argument("--eval-only", action="store_true", help="evaluate without training")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="continue the run, if there is one")
    start.add_argument("--overwrite", action="store_true", help="replace the run, if there is one")
    parser.add_argument(
        "--datasets", nargs="+", metavar="NAME", help="evaluate on these test datasets instead"
    )
    add_import_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_intermixed_args()
    if arguments.eval_only and arguments.overwrite:
        parser.error("--overwrite is for training, so it cannot be used with --eval-only")
    if arguments.datasets:
        # key=value may follow the names.
        arguments.overrides += [word for word in arguments.datasets if "=" in word]
        arguments.datasets = [word for word in arguments.datasets if "=" not in word]
    return arguments


def run(arguments: argparse.Namespace) -> None:
    """Train or evaluate, then write the report."""
    cfg = load_asked_config(arguments)
    if not any(o.partition("=")[0] == "train.output_dir" for o in arguments.overrides):
        cfg.train.output_dir = folder_of_run(arguments.config_file, cfg.train.output_dir)
    if arguments.datasets:
        cfg = with_test_sets(cfg, arguments.datasets)
    if arguments.eval_only:
        cfg.model = without_weights(cfg.model)  # a checkpoint has all weights
    log_to_console()
    trainer = DefaultTrainer(cfg)
    if arguments.eval_only:
        named = any(o.partition("=")[0] == "train.init_weights" for o in arguments.overrides)
        trainer.load_for_evaluation(explicit=named)
    else:
        trainer.build_data()  # finds misspelt names before anything is moved or written
    with trainer.lock:
        if not arguments.eval_only:
            trainer.resume_or_load(resume=arguments.resume, overwrite=arguments.overwrite)
        with making_room(trainer, arguments), log_to_file(trainer.output_dir / "log.txt"):
            if arguments.eval_only:
                trainer.test()
                if distributed.is_main_process():
                    trainer.record_command("evaluate")
            else:
                trainer.train()
            if distributed.is_main_process():
                report(trainer)


@contextlib.contextmanager
def making_room(trainer: DefaultTrainer, arguments: argparse.Namespace) -> Iterator[None]:
    """Context in which an earlier run is set aside with --overwrite, for all processes."""
    with contextlib.ExitStack() as stack:
        if arguments.overwrite and distributed.is_main_process():
            stack.enter_context(replacing_run(trainer.output_dir))
        distributed.barrier()
        yield


def report(trainer: DefaultTrainer) -> None:
    """Print the results, and write videos and the report."""
    from lgrseg.reporting.label_tables import print_label_results
    from lgrseg.reporting.report import report_run
    from lgrseg.reporting.tables import print_results

    for results in trainer.results.values():
        labels = results.get("task") == "classification"
        (print_label_results if labels else print_results)(results)
    with trainer.evaluated_weights():
        report_run(trainer.model, trainer.cfg)


def resume_command() -> str:
    """The command that resumes this run."""
    return command_line(without=("--resume", "--overwrite")) + " --resume"


if __name__ == "__main__":
    sys.exit(main())
