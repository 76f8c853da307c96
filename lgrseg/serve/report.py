"""A page with the measurements of a clip, for people and for printing."""

from typing import Any

import jinja2

from lgrseg.client.records import Beats, Job

WIDTH, HEIGHT = 720, 180
"""Size of the curve in pixels."""


def draw_report(job: Job, facts: dict[str, Any], beats: Beats, picture: str) -> str:
    """Write the page.

    Args:
        job: the finished job.
        facts: content of measurements.json.
        beats: original and corrected beats.
        picture: preview.png in base64.
    """
    loader = jinja2.PackageLoader("lgrseg.serve", "templates")
    page = jinja2.Environment(loader=loader, autoescape=True).get_template("report.html.j2")
    shown = beats.corrected if beats.corrected is not None else beats.original
    return page.render(
        job=job,
        facts=facts,
        beats=beats,
        shown=shown,
        picture=picture,
        curves=curves_of(facts),
        marks=[_mark(beat.ed_frame, beat.es_frame, facts["frames"]) for beat in shown],
        size=(WIDTH, HEIGHT),
    )


def curves_of(facts: dict[str, Any]) -> list[dict[str, str]]:
    """Class and points of its area curve, for an SVG polyline."""
    most = max((max(areas, default=0) for areas in facts["areas"].values()), default=0) or 1
    return [
        {
            "name": name,
            "points": " ".join(
                f"{_x(index, len(areas)):.1f},{HEIGHT * (1 - area / most):.1f}"
                for index, area in enumerate(areas)
            ),
        }
        for name, areas in facts["areas"].items()
    ]


def _mark(ed: int, es: int, frames: int) -> tuple[float, float]:
    return _x(ed, frames), _x(es, frames)


def _x(index: int, frames: int) -> float:
    return WIDTH * index / max(1, frames - 1)
