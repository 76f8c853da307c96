"""report.html of a run without a test, such as a pretraining: curves, probes and pictures."""

import base64
import re
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape

from lgrseg.engine.writers import read_metrics
from lgrseg.reporting.figures import INK, STYLE, Plot, as_svg, new_axes
from lgrseg.reporting.page import page_template
from lgrseg.reporting.report_parts import Card, Section
from lgrseg.reporting.run_facts import config_text, facts_of_run
from lgrseg.reporting.tables import show

ABOUT_THE_COMPUTER = {
    "iteration", "train_seconds", "step_seconds", "data_seconds", "eta_seconds", "peak_memory_mib",
}  # fmt: skip
"""Numbers of metrics.jsonl that are left out."""
NAMES = {"lr": "learning rate", "grad norm": "norm of the gradient"}
SHOWN_PICTURES = 4


def write_training_report(run: Path) -> Path:
    """Write report.html in the folder of a run from its metrics.jsonl and its folder `pictures`."""
    lines = read_metrics(run)
    groups = grouped(lines)
    probed = {title: curves for title, curves in groups.items() if title.startswith("probe ")}
    others = {title: curves for title, curves in groups.items() if title not in probed}
    sections = [
        Section("Probes of the frozen encoder", parts=[draw(*each) for each in probed.items()]),
        Section("Pictures", parts=pictures_of(run / "pictures")),
    ]
    page = page_template().render(
        dataset=run.resolve().name,
        protocol="A training without a test: nothing is predicted.",
        facts=facts_of_run(run, lines),
        config=config_text(run),
        cards=cards_of(probed or others),
        colors={},
        videos=[],
        overview=Section("Training", parts=[draw(*each) for each in others.items()]),
        sections=[section for section in sections if section.parts],
        training=None,
    )
    file = run / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def grouped(lines: list[dict]) -> dict[str, dict[str, np.ndarray]]:
    """Group the numbers of a training into plots.

    Numbers that differ only by a final number, a, b, or class share a plot: mask_share_0 and
    mask_share_1, probe/linear_dice and probe/linear_dice/left_ventricle.

    Args:
        lines: lines of metrics.jsonl.

    Returns:
        Title of the plot -> name of the curve -> (N, 2) iterations and values.
    """
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in lines:
        for name, value in line.items():
            if name not in ABOUT_THE_COMPUTER and isinstance(value, int | float):
                points[name].append((line["iteration"], value))
    groups: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for name in sorted(points, key=lambda name: (not name.startswith("loss"), name)):
        title = re.sub(r"_(\d+|[ab])$", "", "/".join(name.split("/")[:2]))
        groups[title.replace("_", " ").replace("/", " ")][name] = np.array(points[name])
    return dict(groups)


@mpl.rc_context(STYLE)
def draw(title: str, curves: dict[str, np.ndarray]) -> Plot:
    """Plot the curves of one group."""
    title = NAMES.get(title, title).removeprefix("probe ")
    figure, axes = new_axes()
    for name, points in curves.items():
        label = name.rpartition("/")[2].replace("_", " ")
        main = {"color": INK, "linewidth": 1.8} if len(curves) == 1 else {"linewidth": 1.2}
        marker = "o" if len(points) < 20 else None
        axes.plot(points[:, 0], points[:, 1], label=label, marker=marker, **main)
    axes.set(xlabel="iteration", ylabel=title)
    if len(curves) > 1:
        axes.legend(ncols=2)
    return Plot(title[0].upper() + title[1:], as_svg(figure, f"{title} during training"))


def cards_of(groups: dict[str, dict[str, np.ndarray]]) -> list[Card]:
    """The last value of the first curve of each group, at most six."""
    cards = []
    for title, curves in list(groups.items())[:6]:
        iteration, value = next(iter(curves.values()))[-1]
        name = title.removeprefix("probe ")
        cards.append(Card(name, show(value, 3), note=f"after {iteration:.0f} iterations"))
    return cards


def pictures_of(folder: Path) -> list[Plot]:
    """Pictures NAME_ITERATION.png: the first, the last, and two between of each NAME."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.glob("*_*.png")):
        by_name[file.stem.rpartition("_")[0]].append(file)
    shown = []
    for name, files in by_name.items():
        places = np.linspace(0, len(files) - 1, min(SHOWN_PICTURES, len(files))).round()
        for place in places.astype(int):
            iteration = files[place].stem.rpartition("_")[2].lstrip("0") or "0"
            title = f"{name}, iteration {iteration}"
            data = base64.b64encode(files[place].read_bytes()).decode("ascii")
            picture = (
                f'<img style="width:100%" alt="{escape(title)}" src="data:image/png;base64,{data}">'
            )
            shown.append(Plot(title, Markup(picture)))
    return shown
