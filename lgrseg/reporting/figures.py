"""Drawing of plots as SVG whose text and lines have the colours of the page."""

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.cbook import boxplot_stats
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # matplotlib 3.11 and later

INK, FAINT, GRID = "#010203", "#040506", "#070809"
"""Placeholders for colours that depend on the browser's light or dark mode, see PAGE_COLORS."""
PAGE_COLORS = {INK: "currentColor", FAINT: "var(--dim)", GRID: "var(--line)"}
STYLE: "dict[RcKeyType, Any]" = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lgrseg",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "font.size": 9,
    "legend.frameon": False,
    "legend.fontsize": 8,
}
"""matplotlib's settings while a plot is drawn: `@mpl.rc_context(STYLE)`."""
FLOORS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.0)
"""Possible starts of the axis of a score."""


@dataclass(frozen=True)
class Plot:
    """A plot of the report, with its title above and a note below."""

    title: str
    svg: Markup
    note: str = ""
    span: tuple[float, float] = (0.0, 0.0)
    """Horizontal positions of frame 0 and of the last frame in the picture (for area curves)."""


def new_axes(*, width: float = 4.6, height: float = 2.9) -> tuple[Figure, Axes]:
    """Make an empty plot; width and height are in inches."""
    figure = Figure(figsize=(width, height), dpi=72, layout="constrained")
    return figure, figure.add_subplot()


def as_svg(figure: Figure, words: str) -> Markup:
    """Convert a figure to an <svg> element that fills the width of its place on the page.

    Args:
        figure: figure that was drawn with STYLE.
        words: description for screen readers.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None  # matplotlib always writes one
    start = f'<svg class=plot role=img aria-label="{escape(words)}" {view[0]}>'
    text = start + text[text.index(">") + 1 :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace('id="cursor"', "class=cursor")
    used = set(re.findall(r"#([\w.-]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", text)
    for stand_in, color in PAGE_COLORS.items():
        text = text.replace(stand_in, color)
    return Markup(re.sub(r"\s*\n\s*", "\n", text))


def score_floor(groups: list[list[float]]) -> float:
    """Choose the start of a score's axis, so that most values can be distinguished.

    It is the largest of FLOORS that is not above the lower whisker of any group. (Tukey's lower
    whisker is the lowest value within 1.5 interquartile ranges of the box.) Outliers may be below
    the start.
    """
    whiskers = [boxplot_stats(values)[0]["whislo"] for values in groups if values]
    return next(floor for floor in FLOORS if floor <= min(whiskers, default=0.0))


def start_note(floor: float, num_below: int, what: str) -> str:
    """Note below a plot whose axis does not start at 0; empty if it does."""
    if not floor:
        return ""
    if not num_below:
        return f"The axis starts at {floor:g}."
    lie = f"{what} lies" if num_below == 1 else f"{what}s lie"
    return f"The axis starts at {floor:g}: {num_below} {lie} below it (◂, with the lowest value)."


def score_rows(axes: Axes, groups: dict[str, list[float]], colors: list[str], what: str) -> str:
    """Draw one row per group, with a box and points for its scores.

    Args:
        axes: axes to draw on.
        groups: name of each group -> its scores, 0 to 1.
        colors: colour of each group.
        what: meaning of one point, such as "patient".

    Returns:
        The note for below the plot.
    """
    floor = score_floor(list(groups.values()))
    rng = np.random.default_rng(0)
    num_below = 0
    for row, (color, scores) in enumerate(zip(colors, groups.values(), strict=True)):
        values = np.array(scores, float)
        line = {"color": FAINT, "linewidth": 1}
        middle = {"color": INK, "linewidth": 2}
        axes.boxplot(
            [values], positions=[row], widths=0.56, showfliers=False, orientation="horizontal",
            boxprops=line, whiskerprops=line, capprops=line, medianprops=middle,
        )  # fmt: skip
        inside = values[values >= floor]
        spread = row + rng.uniform(-0.16, 0.16, len(inside))
        axes.scatter(inside, spread, s=20, alpha=0.8, color=color, linewidths=0, zorder=3)
        if below := len(values) - len(inside):
            axes.plot(floor, row, marker=4, markersize=9, color=color, clip_on=False, zorder=4)
            text = f"{values.min():.3f}" if below == 1 else f"{below}, down to {values.min():.3f}"
            # Between the boxes, which are 0.56 high, of this row and of the next one.
            axes.annotate(
                text, (floor, row + 0.41), (1, 0), textcoords="offset points", va="center"
            )
            num_below += below
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set(xlim=(floor, 1), ylim=(len(groups) - 0.5, -0.5))
    axes.grid(False, axis="y")
    return start_note(floor, num_below, what)
