r"""Write three tables of pretraining methods: segmentation, classification and generation.

    python tools/pretraining_tables.py random=output/unet_random/seed_0 \
        random=output/unet_random/seed_1 emp_ssl=output/unet_emp_ssl \
        emp_ssl=output/classify_emp_ssl emp_ssl=output/cyclegan_emp_ssl --output output/tables

NAME=RUN says with which encoder a run began. NAME is the row; runs of one name are seeds, or of
different tasks. A RUN is the folder of a run, or a folder of runs, such as the one of all seeds
that tools/compare_backbones.py writes (output/compare/fraction_0.05/NAME). Every dataset on which a
run was evaluated is a column. A CycleGAN has scores after tools/translate_dataset.py --compare.

The form is that of VFM4US' tables. Their published figures are not comparable with these, nor with
each other (docs/recipes/pretraining.md). The tables are printed; --output NAME also writes NAME.md.
"""

import argparse
import sys
from pathlib import Path

from lgrseg.failures import message_of
from lgrseg.reporting.run_names import named_folder
from lgrseg.studies.comparison.three_tables import three_tables


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN", help="row, and folder of a run")
    parser.add_argument("--output", type=Path, help="path of the file without .md")
    arguments = parser.parse_args()
    rows: dict[str, list[Path]] = {}
    try:
        for text in arguments.runs:
            name, folder = named_folder(text)
            if not name:
                raise ValueError(f"{text} has no name: NAME=RUN, such as random={text}")
            rows.setdefault(name, []).append(folder)
        text = three_tables(rows)
    except (KeyError, OSError, ValueError) as error:
        print(f"error: {message_of(error)}", file=sys.stderr)
        return 1
    print(text)
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.with_name(arguments.output.name + ".md").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
