"""Examples of answers for OpenAPI; they are made of the records, so they have all their fields."""

from dataclasses import asdict, replace
from typing import Any

from lgrseg.client.records import (
    Beat,
    Beats,
    ImageResult,
    Job,
    JobList,
    Model,
    ModelList,
    ResultFile,
)

ID = "c3eb72004330634f770e5072c9e4466f"
CLASS = "left_ventricle"
WAITING = Job(
    ID,
    "queued",
    "clip",
    "apical_simulated",
    name="clip.mp4",
    stage="waiting",
    position=0,
    frames=45,
    size=[768, 1024],
    fps=20.0,
    format="movie",
    created=1796005557.4,
    links={"self": f"/v1/jobs/{ID}", "events": f"/v1/jobs/{ID}/events"},
)
MASKS = ResultFile(
    "masks.nii.gz", "application/gzip", 20888, "25af" * 16, f"/v1/jobs/{ID}/results/masks.nii.gz"
)
FINISHED = replace(
    WAITING,
    state="done",
    stage="",
    progress=1.0,
    position=None,
    attempt=1,
    model_sha256="58b4" * 16,
    spacing_mm=[0.3, 0.3],
    started=1796005557.6,
    finished=1796005590.1,
    expires=1796610390.1,
    ejection_fraction=56.0,
    results=[MASKS],
    links=WAITING.links
    | {"report.html": f"/v1/jobs/{ID}/results/report.html", "beats": f"/v1/jobs/{ID}/beats"},
)
BEATS = Beats([Beat(4, 15, 91.2, 40.1, 56.0, [])], 56.0, [Beat(3, 17, 92.0, 39.6, 57.0, [])], 57.0)
STILL = replace(FINISHED, kind="image", name="still.png", frames=1, size=[2, 3], fps=None)
IMAGE = ImageResult(
    replace(STILL, format="still", ejection_fraction=None),
    [2, 3],
    [CLASS],
    {CLASS: {"size": [2, 3], "counts": "231"}},
    {CLASS: 0.27},
    "mm2",
)
MODELS = ModelList(
    [Model("apical_simulated", "clips", "58b4" * 16, [CLASS], [[230, 75, 53]], "0.1.0", [])],
    {"max_upload_bytes": 2**29, "max_frames": 5000, "max_queued": 100, "keep_days": 7},
)
JOBS = JobList([FINISHED])


def example(status: int, record: Any) -> dict[int | str, dict[str, Any]]:
    """Describe an answer for OpenAPI by an example."""
    return {status: {"content": {"application/json": {"example": asdict(record)}}}}
