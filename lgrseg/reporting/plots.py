"""The plots of a report. Every structure has the same colour as in the videos."""

import itertools
from collections.abc import Iterable

import matplotlib as mpl
import numpy as np

from lgrseg.reporting.figures import FAINT, INK, STYLE, Plot, as_svg, new_axes, score_rows

COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
"""Colours of structures, if results.json has none."""
MM2_IN_CM2 = 100


def colors_of(structures: Iterable[str], results: dict) -> dict[str, str]:
    """Colour of each structure: as in results.json and in the videos, or one of COLORS."""
    usual = dict(zip(structures, itertools.cycle(COLORS), strict=False))
    return usual | (results.get("colors") or {})


@mpl.rc_context(STYLE)
def loss_curves(lines: list[dict]) -> Plot:
    """Plot the losses over iterations, from the lines of metrics.jsonl."""
    figure, axes = new_axes()
    for name in sorted({n for line in lines for n in line if n.startswith("loss")}):
        points = [(line["iteration"], line[name]) for line in lines if name in line]
        total = {"color": INK, "linewidth": 1.8} if name == "loss" else {"linewidth": 1}
        label = "total" if name == "loss" else name.removeprefix("loss_").replace("_", " ")
        # A line of one point is invisible.
        marker = "o" if len(points) == 1 else None
        axes.plot(*zip(*points, strict=True), label=label, marker=marker, **total)
    axes.set(xlabel="iteration", ylabel="loss (log scale)", yscale="log")
    axes.legend(ncols=2)
    return Plot("Training loss", as_svg(figure, "training loss"))


@mpl.rc_context(STYLE)
def score_curves(lines: list[dict]) -> Plot | None:
    """Plot the mean score of every evaluation over iterations; None without evaluations."""
    found = {n for line in lines for n in line if n.startswith("eval/") and "/mean_" in n}
    if not found:
        return None
    figure, axes = new_axes()
    scores = []
    for name in sorted(found):
        points = [(line["iteration"], line[name]) for line in lines if line.get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name.split("/")[1])
            scores += [score for _, score in points]
    measures = sorted({name.partition("/mean_")[2] for name in found})
    title = ", ".join(measures).replace("_", " ").replace("dice", "Dice")
    lowest = np.floor(10 * min(scores, default=0)) / 10
    axes.set(xlabel="iteration", ylabel=f"mean {title}", ylim=(lowest, 1))
    axes.legend(loc="lower right")
    note = f"The axis starts at {lowest:g}." if lowest else ""
    return Plot("Evaluations during training", as_svg(figure, "scores during training"), note)


@mpl.rc_context(STYLE)
def dice_by_structure(patients: dict[str, dict], colors: dict[str, str]) -> Plot:
    """Plot the Dice of each structure: a box, and one point per patient.

    Args:
        patients: patient -> structure -> Dice, or None without a score.
        colors: colour of each structure.
    """
    structures = list(next(iter(patients.values())))
    groups = {
        name.replace("_", " "): [row[name] for row in patients.values() if row[name] is not None]
        for name in structures
    }
    return _scores("Dice by structure", groups, [colors[name] for name in structures], "value")


@mpl.rc_context(STYLE)
def dice_by_site(patients: dict[str, dict], sites: dict[str, list[str]]) -> Plot | None:
    """Plot the mean Dice of each site: a box, and one point per patient; None for a single site.

    Args:
        patients: patient -> structure -> Dice, or None without a score.
        sites: site -> its patients.
    """
    if len(sites) < 2:
        return None
    groups = {site: [_mean(patients[name]) for name in names] for site, names in sites.items()}
    groups = {site: [v for v in values if np.isfinite(v)] for site, values in groups.items()}
    return _scores("Mean Dice by site", groups, [FAINT] * len(groups), "patient")


def _scores(title: str, groups: dict[str, list[float]], colors: list[str], what: str) -> Plot:
    figure, axes = new_axes(height=1.1 + 0.42 * len(groups))
    note = score_rows(axes, groups, colors, what)
    axes.set(xlabel="Dice, one point per patient")
    return Plot(title, as_svg(figure, title), note)


def agreement_plots(cases: list[dict], compared: dict, quantity: str, unit: str) -> list[Plot]:
    """Make the scatter plot and the Bland-Altman plot of one quantity.

    Args:
        cases: cases that `heart_function` returns.
        compared: result of `agreement` for the quantity.
        quantity: name of the quantity, such as "edv".
        unit: unit of the quantity, such as "ml".
    """
    values = [(case["truth"][quantity], case["prediction"][quantity]) for case in cases]
    pairs = np.array([pair for pair in values if None not in pair], float).reshape(-1, 2)
    name = {"edv": "end-diastolic volume"}.get(quantity, quantity.replace("_", " "))
    return [_scatter(pairs, name, unit), _bland_altman(pairs, compared, name, unit)]


@mpl.rc_context(STYLE)
def _scatter(pairs: np.ndarray, name: str, unit: str) -> Plot:
    figure, axes = new_axes(height=3.4)
    axes.scatter(pairs[:, 0], pairs[:, 1], s=16, color=INK, alpha=0.55, linewidths=0)
    if len(pairs):
        ends = [pairs.min(), pairs.max()]
        axes.plot(ends, ends, color=FAINT, linewidth=1)
    axes.set(xlabel=f"from the true masks, {unit}", ylabel=f"from the predicted masks, {unit}")
    axes.set_aspect("equal", adjustable="datalim")
    title = f"{name.capitalize()}, {unit}"
    return Plot(title, as_svg(figure, title), "The line is perfect agreement.")


@mpl.rc_context(STYLE)
def _bland_altman(pairs: np.ndarray, compared: dict, name: str, unit: str) -> Plot:
    figure, axes = new_axes(height=3.4)
    axes.scatter(pairs.mean(axis=1), pairs[:, 1] - pairs[:, 0], s=16, color=INK, alpha=0.55, lw=0)
    axes.axhline(0, color=FAINT, linewidth=0.6)
    low, high = compared["limits"]
    for value, style in ((compared["bias"], "-"), (low, "--"), (high, "--")):
        if value is not None:
            axes.axhline(value, color=INK, linestyle=style, linewidth=1)
            axes.annotate(
                f"{value:+z.1f}", (1, value), (-2, 3), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right",
            )  # fmt: skip
    axes.set(xlabel=f"mean of both, {unit}", ylabel=f"prediction - truth, {unit}")
    title = f"{name.capitalize()}: Bland-Altman"
    return Plot(title, as_svg(figure, title), "Bias, and 95% limits of agreement (dashed).")


@mpl.rc_context(STYLE)
def area_curves(measures: dict, colors: dict[str, str], *, fps: float | None = None) -> Plot:
    """Plot the areas of all structures over time, with a cursor that the page moves.

    Markers show ED and ES of the left ventricle; the markers of a doubtful beat are hollow.

    Args:
        measures: content of the video's .json.
        colors: colour of each structure.
        fps: frames per second; None if unknown.
    """
    figure, axes = new_axes(width=5.4, height=2.8)
    unit, scale = area_unit(measures)
    for structure, areas in measures["areas"].items():
        axes.plot(np.array(areas) / scale, color=colors[structure], linewidth=1.8)
    annotated = measures.get("annotated") or {"frames": (), "areas": {}}
    for structure, areas in annotated["areas"].items():
        dots = np.array(areas) / scale
        axes.plot(annotated["frames"], dots, "o", markersize=4.5, color=colors[structure])
    curve = measures["areas"].get(measures.get("ventricle", "left_ventricle"))
    for beat in measures.get("beats") or ():
        for frame, marker, above in ((beat["ed"], "ED", 8), (beat["es"], "ES", -14)):
            fill = "none" if beat["problems"] else INK
            where = (frame, curve[frame] / scale)
            axes.plot(*where, "D", markersize=5, color=INK, markerfacecolor=fill, zorder=4)
            axes.annotate(marker, where, (0, above), textcoords="offset points", ha="center")
    last = len(next(iter(measures["areas"].values()))) - 1
    axes.axvline(0, color=INK, linewidth=1.2, gid="cursor")
    axes.set(ylabel=f"area, {unit}", xlim=(-0.02 * last, 1.02 * last))
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    axes.set_xlabel(f"frame ({fps:g} per second)" if fps else "frame")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # saving must not move the axes: the page needs their place
    first, end = (float(axes.transData.transform((frame, 0))[0]) for frame in (0, last))
    return Plot("", as_svg(figure, "areas over time"), span=(round(first, 2), round(end, 2)))


def area_unit(measures: dict) -> tuple[str, int]:
    """Unit in which areas are shown, and the divisor of the measured areas that gives it."""
    return ("cm²", MM2_IN_CM2) if measures["unit"] == "mm" else ("pixels", 1)


def _mean(row: dict) -> float:
    values = [value for value in row.values() if value is not None]
    return float(np.mean(values)) if values else float("nan")
