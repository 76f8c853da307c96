"""Result files of a job, with ranges and entity tags, and its report."""

import base64
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from lgrseg.serve.corrections import beats_of
from lgrseg.serve.job_store import StoredJob
from lgrseg.serve.problems import ServiceError, problems
from lgrseg.serve.service import Service, service_of

router = APIRouter(tags=["results"], responses=problems(s422="a setting is not allowed"))
Services = Annotated[Service, Depends(service_of)]
ERRORS = problems(
    s401="no token, or a wrong one",
    s404="there is no such job, or it has no such file",
    s409="it is not done",
    s410="its results have expired",
    s416="the range lies outside the file",
)
REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


@router.head("/v1/jobs/{job_id}/results/report.html", include_in_schema=False)
@router.get("/v1/jobs/{job_id}/results/report.html", response_class=HTMLResponse, responses=ERRORS)
def get_report(request: Request, service: Services, job_id: str) -> HTMLResponse:
    """Get a page with the measurements, the curve and pictures, for people."""
    from lgrseg.serve.report import draw_report

    job = service.finished_job(request, job_id)
    facts = read_facts(service, job)
    picture = service.blobs.results(job.id, job.attempt) / "preview.png"
    encoded = base64.b64encode(picture.read_bytes()).decode()
    text = draw_report(service.view(job), facts, beats_of(job, facts), encoded)
    return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})


@router.head("/v1/jobs/{job_id}/results/{name}", include_in_schema=False)
@router.get("/v1/jobs/{job_id}/results/{name}", response_class=FileResponse, responses=ERRORS)
def get_result(request: Request, service: Services, job_id: str, name: str) -> Response:
    """Get a result file; `Range`, `If-Range` and `If-None-Match` are honoured."""
    job = service.finished_job(request, job_id)
    found = next((entry for entry in job.results if entry["name"] == name), None)
    if found is None:
        names = ", ".join([*(entry["name"] for entry in job.results), "report.html"])
        raise ServiceError(404, "no_such_file", f"the job has no file of this name; it has {names}")
    tag = f'"{found["sha256"]}"'
    headers = {"ETag": tag, "Cache-Control": "no-store"}
    if tag in request.headers.get("if-none-match", "").split(", "):
        return Response(status_code=304, headers=headers)
    path = service.blobs.results(job.id, job.attempt) / found["name"]
    if not path.is_file():
        raise ServiceError(410, "expired", "the file was deleted")
    file_name = f"{job.id[:8]}_{found['name']}"
    return FileResponse(path, headers=headers, media_type=found["media_type"], filename=file_name)


def read_facts(service: Service, job: StoredJob) -> dict[str, Any]:
    """Read measurements.json of a finished job."""
    path = service.blobs.results(job.id, job.attempt) / "measurements.json"
    return json.loads(path.read_text(encoding="utf-8"))
