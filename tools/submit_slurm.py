r"""Train on a SLURM cluster: the arguments after -- are those of tools/train_net.py.

    pip install "lgrseg[slurm]"
    python tools/submit_slurm.py --partition gpu --gpus 4 --cpus 8 --hours 24 \
        -- --config-file configs/lgrnet/base.py train.output_dir=output/lgrnet
    python tools/submit_slurm.py --nodes 2 --gpus 4 --option account=heart qos=long --dry-run \
        -- --config-file configs/lgrnet/base.py

Every machine has one process per GPU, or --processes without GPUs. The config is checked before the
job is queued. A run that exists is continued. Before the time limit or a preemption the run is
saved, and the job is requeued and resumed. Logs are in FOLDER, which all machines must be able to
read. --dry-run prints the script for sbatch.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.config import load_asked_config
from lgrseg.config.targets import add_import_options
from lgrseg.engine.slurm import TrainingJob, batch_script, executor, resumed
from lgrseg.failures import message_of


def main() -> int:
    """Run the command line."""
    arguments, words = parse_arguments()
    try:
        check(words)
        options = dict(word.split("=", 1) for word in arguments.option)
        if arguments.partition:
            options["partition"] = arguments.partition
        processes = arguments.gpus or arguments.processes
        built = executor(
            arguments.folder,
            name=arguments.name,
            nodes=arguments.nodes,
            processes=processes,
            gpus=arguments.gpus,
            cpus=arguments.cpus,
            memory_gib=arguments.memory,
            hours=arguments.hours,
            others=options,
        )
        if arguments.dry_run:
            print(batch_script(built))
            return 0
        words = words if "--overwrite" in words else resumed(words)
        job = built.submit(TrainingJob(words, processes=processes))
    except ImportError as error:
        print(f'error: {error}: pip install "lgrseg[slurm]"', file=sys.stderr)
        return 1
    except (KeyError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    print(f"job {job.job_id}: {job.paths.stdout}, {job.paths.stderr}")
    return 0


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """Parse the options, and the words after -- ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=1, help="number of machines")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of every machine")
    parser.add_argument("--processes", type=int, default=1, help="processes without GPUs")
    parser.add_argument("--cpus", type=int, default=4, help="CPU cores of every process")
    parser.add_argument("--memory", type=int, default=32, help="GiB of every machine")
    parser.add_argument("--hours", type=float, default=24.0, help="time limit of one part")
    parser.add_argument("--partition")
    parser.add_argument(
        "--option", nargs="+", default=[], metavar="KEY=VALUE", help="other options of sbatch"
    )
    parser.add_argument("--name", default="lgrseg", help="name of the job")
    parser.add_argument("--folder", type=Path, default=Path("output/slurm"), help="for the logs")
    parser.add_argument("--dry-run", action="store_true", help="print the script for sbatch")
    given = sys.argv[1:]
    if "--" not in given:
        parser.parse_args(given)  # shows --help
        parser.error("the arguments of the training are missing: -- --config-file ...")
    split = given.index("--")
    arguments = parser.parse_args(given[:split])
    if arguments.gpus and arguments.processes > 1:
        parser.error("--gpus starts one process for each GPU: leave out --processes")
    for word in arguments.option:
        if "=" not in word:
            parser.error(f"--option needs KEY=VALUE, such as account=heart, not {word!r}")
    return arguments, given[split + 1 :]


def check(words: list[str]) -> None:
    """Load the config, so that mistakes are found before the job waits in the queue.

    Raises:
        KeyError, OSError, ValueError: the config or a setting is wrong.
    """
    parser = argparse.ArgumentParser(prog="the arguments after --")
    parser.add_argument("--config-file", required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    add_import_options(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    load_asked_config(parser.parse_intermixed_args(words))


if __name__ == "__main__":
    sys.exit(main())
