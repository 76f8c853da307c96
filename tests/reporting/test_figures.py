"""lgrseg/reporting/figures.py and plots.py: where an axis starts, and what is said about it."""

import re

import pytest

from lgrseg.reporting import plots
from lgrseg.reporting.figures import score_floor

COLORS = {"left_ventricle": "#e64b35", "left_atrium": "#00a087"}


@pytest.mark.parametrize(
    ("groups", "floor"),
    [
        ([[0.97, 0.98, 0.98, 0.99]], 0.95),
        ([[0.97, 0.98, 0.98, 0.99, 0.62]], 0.95),  # one outlier does not set the scale
        ([[0.97, 0.98, 0.98, 0.99], [0.71, 0.8, 0.85, 0.9]], 0.7),  # the lower group does
        ([[0.2, 0.5, 0.6, 0.9]], 0.0),
        ([[0.95]], 0.95),
        ([[]], 0.0),
    ],
)
def test_where_the_axis_starts(groups, floor):
    assert score_floor(groups) == floor


def patients(*scores):
    return {f"p{i}": {"left_ventricle": s, "left_atrium": 0.97} for i, s in enumerate(scores)}


def test_what_lies_below_the_axis_is_said():
    plot = plots.dice_by_structure(patients(0.97, 0.98, 0.98, 0.99, 0.648), COLORS)
    assert plot.note == (
        "The axis starts at 0.95: 1 value lies below it (◂, with the lowest value)."
    )
    assert re.search(r">0\.648</text>", plot.svg)
    plot = plots.dice_by_structure(patients(*[0.97, 0.98] * 10, 0.6, 0.5), COLORS)
    assert "2 values lie below it" in plot.note and ">2, down to 0.500</text>" in plot.svg
    assert plots.dice_by_structure(patients(0.97, 0.98), COLORS).note == "The axis starts at 0.95."
    assert plots.dice_by_structure(patients(0.1, 0.9, None), COLORS).note == ""


def test_a_plot_takes_the_colours_of_the_page():
    svg = plots.dice_by_structure(patients(0.97, 0.98), COLORS).svg
    assert "currentColor" in svg and "var(--dim)" in svg and COLORS["left_ventricle"] in svg
    assert not re.search("#01020[3]|#040506|#070809|http", svg)  # no stand-in is left
    ids = re.findall(r' id="([^"]*)"', svg)
    assert len(ids) == len(set(ids)) and all(f"#{name}" in svg for name in ids)


def test_the_cursor_spans_the_curve():
    measures = {"unit": "px", "areas": {"left_ventricle": [5, 6, 7, 8, 9]}}
    plot = plots.area_curves(measures, COLORS)
    first, last = plot.span
    (path,) = re.findall(r'<path d="(M[^"]*)"[^>]*stroke: #e64b35', plot.svg)
    xs = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
    assert (xs[0], xs[-1]) == (pytest.approx(first, abs=0.1), pytest.approx(last, abs=0.1))
