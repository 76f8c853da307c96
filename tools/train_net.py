"""Train a model, or evaluate one.

    python tools/train_net.py --config-file configs/lgrnet/phantom.py
    python tools/train_net.py --config-file configs/lgrnet/camus.py train.max_iter=500
    python tools/train_net.py --config-file configs/lgrnet/camus.py --resume
    python tools/train_net.py --config-file output/lgrnet/camus/config.yaml --eval-only
    torchrun --nproc-per-node 2 tools/train_net.py --config-file configs/lgrnet/camus.py

`key=value` changes one setting of the config; list elements go by number.
"""

import argparse
import logging
import sys

from lgrseg.config import load_config
from lgrseg.engine import distributed
from lgrseg.engine.trainer import DefaultTrainer, StopRequested


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="a .py config, or a run's config.yaml")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.add_argument("--eval-only", action="store_true", help="evaluate the run's last weights")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    arguments = parser.parse_args()
    try:
        cfg = load_config(arguments.config_file, arguments.overrides)
        if arguments.eval_only and not cfg.train.init_weights:
            cfg.train.init_weights = f"{cfg.train.output_dir}/checkpoints/last.safetensors"
        trainer = DefaultTrainer(cfg)
        _log_to(trainer)
        if arguments.eval_only:
            finish(trainer)
            return 0
        trainer.resume_or_load(resume=arguments.resume)
        trainer.train()
        finish(trainer)
    except StopRequested:
        print(f"stopped and saved; go on with: {' '.join(sys.argv)} --resume", file=sys.stderr)
        return 143
    except (FileNotFoundError, KeyError, ValueError, FloatingPointError) as error:
        if not distributed.is_main_process() or logging.getLogger("lgrseg").level == logging.DEBUG:
            raise
        message = error.args[0] if error.args else str(error)
        notes = "".join(f"\n  ({note})" for note in getattr(error, "__notes__", ()))
        print(f"error: {message if isinstance(error, KeyError) else error}{notes}", file=sys.stderr)
        return 1
    finally:
        distributed.close()
    return 0


def finish(trainer: DefaultTrainer) -> None:
    """Evaluate, show the table, write videos and report."""
    from lgrseg.evaluation.evaluator import print_results
    from lgrseg.evaluation.report import report_run

    results = trainer.test()
    if distributed.is_main_process():
        for result in results.values():
            print_results(result)
        with trainer.evaluated_weights():
            report_run(trainer.model, trainer.cfg)


def _log_to(trainer: DefaultTrainer) -> None:
    logger = logging.getLogger("lgrseg")
    if not distributed.is_main_process():
        return
    trainer.output_dir.mkdir(parents=True, exist_ok=True)
    logger.setLevel(logging.INFO)
    for handler in (
        logging.StreamHandler(),
        logging.FileHandler(trainer.output_dir / "log.txt", encoding="utf-8"),
    ):
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
