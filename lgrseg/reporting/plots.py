"""The pictures of a report, as PNG in a data: address, so that the page stands alone."""

import base64
import io
import itertools
from collections.abc import Iterable

import numpy as np

COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
"""Of structures, where the results do not say how the videos colour them."""
NEUTRAL = "dimgray"
"""Of what is no structure."""


def training_curves(lines: list[dict]) -> str:
    """Losses, and the mean score of the evaluations, over iterations; from metrics.jsonl."""
    figure, (left, right) = _axes(2, width=11)
    for name in sorted({n for line in lines for n in line if n.startswith("loss")}):
        points = [(line["iteration"], line[name]) for line in lines if name in line]
        left.plot(*zip(*points, strict=True), label=name, linewidth=1)
    left.set(xlabel="iteration", title="training loss", yscale="log")
    left.legend(fontsize=8)
    found = {n for line in lines for n in line if n.startswith("eval/") and "/mean_" in n}
    names = sorted(found)
    measures = sorted({name.partition("/mean_")[2] for name in names}) or ["dice"]
    for name in names:
        points = [(line["iteration"], line[name]) for line in lines if line.get(name) is not None]
        right.plot(*zip(*points, strict=True), marker="o", label=name.split("/")[1])
    title = ", ".join(measures).replace("_", " ").replace("dice", "mean Dice")
    right.set(xlabel="iteration", title=title, ylim=(0, 1))
    if names:
        right.legend(fontsize=8, loc="lower right")
    return _picture(figure)


def colors_of(structures: Iterable[str], results: dict) -> dict[str, str]:
    """Structure -> its colour in the videos, as results.json has it."""
    usual = dict(zip(structures, itertools.cycle(COLORS), strict=False))
    return usual | (results.get("colors") or {})


def dice_distributions(
    patients: dict[str, dict], sites: dict[str, list[str]], colors: dict[str, str]
) -> str:
    """Box and points of the patients' Dice, by class; beside it by site, where there are several.

    Args:
        patients: patient -> class -> Dice, or None.
        sites: site -> patients.
        colors: class -> its colour.
    """
    classes = list(next(iter(patients.values())))
    several = len(sites) > 1
    figure, axes = _axes(1 + several, width=11 if several else 6)
    by_class = {
        cls.replace("_", " "): [row[cls] for row in patients.values() if row[cls] is not None]
        for cls in classes
    }
    _boxes(axes[0], by_class, "Dice of patients, by structure", [colors[cls] for cls in classes])
    if several:
        by_site = {site: [_mean(patients[name]) for name in names] for site, names in sites.items()}
        _boxes(axes[1], by_site, "mean Dice of patients, by site", [NEUTRAL] * len(by_site))
    return _picture(figure)


def agreement_plots(cases: list[dict], found: dict, quantity: str, unit: str) -> str:
    """Scatter and Bland-Altman plot of one quantity."""
    pairs = [(case["truth"][quantity], case["prediction"][quantity]) for case in cases]
    pairs = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2)
    truth, measured = pairs.T
    figure, (left, right) = _axes(2, width=11)
    title = quantity.replace("_", " ")
    left.scatter(truth, measured, s=14, color=NEUTRAL)
    if len(pairs):
        ends = [pairs.min(), pairs.max()]
        left.plot(ends, ends, color="gray", linewidth=1)
    left.set(xlabel=f"truth, {unit}", ylabel=f"prediction, {unit}", title=title)
    left.set_aspect("equal", adjustable="datalim")
    right.scatter(pairs.mean(axis=1), measured - truth, s=14, color=NEUTRAL)
    for value, style in ((found["bias"], "-"), *((v, "--") for v in found["limits"])):
        if value is not None:
            right.axhline(value, color="black", linestyle=style, linewidth=1)
    right.axhline(0, color="gray", linewidth=0.5)
    right.set(
        xlabel=f"mean of both, {unit}",
        ylabel=f"prediction - truth, {unit}",
        title="Bland-Altman: bias and 95% limits",
    )
    return _picture(figure)


def area_curves(measures: dict, name: str, colors: dict[str, str]) -> str:
    """Areas of all structures over time; ED and ES are marked, hollow where they are doubtful."""
    figure, (axes,) = _axes(1, width=8)
    unit = "mm²" if measures["unit"] == "mm" else "px"
    for structure, areas in measures["areas"].items():
        axes.plot(areas, label=structure.replace("_", " "), color=colors[structure])
    curve = measures["areas"].get(measures.get("ventricle", "left_ventricle"))
    for number, beat in enumerate(measures.get("beats") or ()):
        for frame, marker, label in ((beat["ed"], "v", "ED"), (beat["es"], "^", "ES")):
            axes.plot(
                frame,
                curve[frame],
                marker,
                color="black",
                fillstyle="none" if beat["problems"] else "full",
                label=label if number == 0 else None,
            )
    axes.set(xlabel="frame", ylabel=f"area, {unit}", title=name, ylim=(0, None))
    axes.legend(fontsize=8, ncols=3)
    return _picture(figure)


def _mean(row: dict) -> float:
    values = [value for value in row.values() if value is not None]
    return float(np.mean(values)) if values else float("nan")


def _boxes(axes, groups: dict[str, list[float]], title: str, colors: list[str]) -> None:
    groups = {name: [v for v in values if np.isfinite(v)] for name, values in groups.items()}
    rng = np.random.default_rng(0)
    for place, (color, values) in enumerate(zip(colors, groups.values(), strict=True), start=1):
        axes.boxplot(values, positions=[place], widths=0.5, showfliers=False)
        spread = place + rng.uniform(-0.12, 0.12, len(values))
        axes.scatter(spread, values, s=9, alpha=0.6, color=color)
    axes.set_xticks(range(1, len(groups) + 1), list(groups), fontsize=8)
    axes.set(title=title)


def _axes(count: int, *, width: float):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, count, figsize=(width, 3.4), layout="constrained", squeeze=False)
    for one in axes[0]:
        one.grid(alpha=0.3)
    return figure, axes[0]


def _picture(figure) -> str:
    import matplotlib.pyplot as plt

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
