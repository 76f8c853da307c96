"""Dice against strength: a row of panels for each structure, a column for each degradation."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lgrseg.studies.robustness.degradations import CLEAN, DEGRADATIONS
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
    by_key = {row.key: row for row in rows}
    lines = list(dict.fromkeys((row.run, row.dataset) for row in rows))
    for panel_row, structure in zip(panels, structures, strict=True):
        for panel, one in zip(panel_row, shown, strict=True):
            # JPEG quality falls from left to right, as all other strengths grow.
            strengths = sorted({one.clean, *one.strengths}, reverse=one.clean > max(one.strengths))
            for color, (run, dataset) in enumerate(lines):
                points = []
                for place, strength in enumerate(strengths):
                    is_clean = strength == one.clean
                    what = (CLEAN.name, 0) if is_clean else (one.name, strength)
                    row = by_key.get((run, dataset, *what))
                    if row is not None and row.dice.get(structure) is not None:
                        points.append((place, row.dice[structure], is_clean))
                places, dice, clean = zip(*points, strict=True) if points else ((), (), ())
                name = {"color": f"C{color}", "label": f"{run} on {dataset}"}
                panel.plot(places, dice, marker="o", markersize=3, linewidth=1.2, **name)
                hollow = [(x, y) for x, y, is_clean in points if is_clean]
                if hollow:
                    panel.plot(*hollow[0], "o", markersize=5, mfc="white", mec=f"C{color}")
            panel.set_xticks(range(len(strengths)), [f"{s:g}" for s in strengths], fontsize=7)
            panel.set_ylim(0, 1)
            panel.grid(alpha=0.3)
        panel_row[0].set_ylabel(f"{structure.replace('_', ' ')}\nDice", fontsize=8)
    for top, bottom, one in zip(panels[0], panels[-1], shown, strict=True):
        top.set_title(one.name, fontsize=9)
        bottom.set_xlabel(one.unit, fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(file, dpi=110)
