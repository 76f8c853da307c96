"""Dice against strength: a row of panels for each structure, a column for each degradation."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lgrseg.studies.robustness.degradations import CLEAN, DEGRADATIONS, Degradation
from lgrseg.studies.robustness.scores import Scores


def write_plot(rows: Sequence[Scores], file: Path) -> None:
    """Write the plot as PNG; lines are runs on datasets, and hollow points are clean frames."""
    structures = list(dict.fromkeys(name for row in rows for name in row.dice))
    measured = {row.degradation for row in rows}
    shown = [one for one in DEGRADATIONS if one.name in measured]
    if not shown:
        return
    size = (1.0 + 1.75 * len(shown), 0.9 + 1.7 * len(structures))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(structures), len(shown), squeeze=False, sharey=True, sharex="col")
    for panel_row, structure in zip(panels, structures, strict=True):
        for panel, one in zip(panel_row, shown, strict=True):
            _draw(panel, one, structure, rows)
        panel_row[0].set_ylabel(f"{structure.replace('_', ' ')}\nDice", fontsize=8)
    for top, bottom, one in zip(panels[0], panels[-1], shown, strict=True):
        top.set_title(one.name, fontsize=9)
        bottom.set_xlabel(one.unit, fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(file, dpi=110)


def _draw(panel: Axes, one: Degradation, structure: str, rows: Sequence[Scores]) -> None:
    """Draw the lines of one structure and one degradation; strengths are evenly spaced."""
    # JPEG quality falls from left to right, as all other strengths grow.
    strengths = sorted({one.clean, *one.strengths}, reverse=one.clean > max(one.strengths))
    places = {(one.name, strength): place for place, strength in enumerate(strengths)}
    places[(CLEAN.name, 0)] = strengths.index(one.clean)
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        points = lines.setdefault(f"{row.run} on {row.dataset}", [])
        dice, place = row.dice.get(structure), places.get((row.degradation, row.strength))
        if dice is not None and place is not None:
            points.append((place, dice))
    for number, (label, points) in enumerate(lines.items()):
        x = [place for place, _ in sorted(points)]
        y = [dice for _, dice in sorted(points)]
        color = f"C{number}"
        panel.plot(x, y, marker="o", markersize=3, linewidth=1.2, color=color, label=label)
        if places[(CLEAN.name, 0)] in x:
            clean = x.index(places[(CLEAN.name, 0)])
            panel.plot(x[clean], y[clean], "o", markersize=5, mfc="white", mec=color)
    panel.set_xticks(range(len(strengths)), [f"{s:g}" for s in strengths], fontsize=7)
    panel.set_ylim(0, 1)
    panel.grid(alpha=0.3)
