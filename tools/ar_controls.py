r"""Show what limits a trained AR-SEG, and whether it uses the image.

    python tools/ar_controls.py output/ar_next_scale --datasets camus_4ch_val

Each row is the Dice of the same model with one part replaced (lgrseg/studies/autoregressive):

    tokenizer              true masks, tokenized and decoded: the ceiling of the model
    true earlier tokens    every token predicted from true tokens before it: no error runs away
    prediction             the model as it is
    another image          image tokens of another patient
    shuffled image         image tokens in random order
    mean shape             the likeliest class of each pixel over masks of the training set

The first row limits all others. The second and third differ by what earlier wrong tokens cost; in
next-scale prediction, true tokens of a coarse scale also show where the structures are. The table
is printed; --output FILE also writes it.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from lgrseg.config.targets import add_import_options, import_modules
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.evaluation import SegmentationEvaluator
from lgrseg.failures import message_of
from lgrseg.modeling.agreement import check_classes
from lgrseg.modeling.autoregressive.segmenter import ARSegmenter
from lgrseg.reporting.tables import markdown_table, show
from lgrseg.studies.autoregressive import controls


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    try:
        import_modules(arguments.imports)
        run = LoadedRun(arguments.run, trusted=arguments.trust)
        text = "\n\n".join(table(run, name, arguments.num_masks) for name in arguments.datasets)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    print(text)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--datasets", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--output", type=Path, metavar="FILE", help="Markdown file")
    parser.add_argument(
        "--num-masks", type=int, default=100, help="training clips in the mean shape (default 100)"
    )
    add_import_options(parser)
    return parser.parse_args()


def table(run: LoadedRun, dataset: str, num_masks: int) -> str:
    """A table of all controls on one dataset.

    Raises:
        ValueError: the run is no AR-SEG, or the dataset has its classes in another order.
    """
    model = run.member.model
    if not isinstance(model, ARSegmenter):
        raise ValueError(
            f"{run.name} is a {type(model).__name__}; these controls are for AR-SEG, the runs of "
            "configs/ar_seg"
        )
    own, wanted = run.member.metadata.classes, MetadataCatalog.get(dataset).classes
    check_classes(model, {run.name: own, dataset: wanted})
    training = itertools.islice(_samples(run, run.cfg.dataloader.train.dataset), num_masks)
    rows: dict[str, controls.Control] = {
        "tokenizer": controls.only_tokenizer,
        "true earlier tokens": controls.true_earlier_tokens,
        "prediction": controls.predicted,
        "another image": controls.AnotherImage(),
        "shuffled image": controls.shuffled_image,
        "mean shape": controls.MeanShape(training, model.num_classes),
    }
    evaluator = SegmentationEvaluator(dataset=dataset, protocol="controls")
    lines = []
    for name, control in rows.items():
        scores = controls.evaluate(model, control, run.loader(dataset), evaluator)
        accuracy = show(scores.boundary_accuracy, 3)
        lines.append([name, *(show(dice) for dice in scores.dice.values()), accuracy])
    classes = [name.replace("_", " ") for name in evaluator.classes]
    head = ["", "Dice", *classes, "right boundary tokens"]
    return f"**{dataset}**\n\n{markdown_table(head, lines)}"


def _samples(run: LoadedRun, dataset: str) -> Iterator[controls.Sample]:
    return (sample for samples in run.loader(dataset) for sample in samples)


if __name__ == "__main__":
    sys.exit(main())
