"""Errors of the service as problem+json (RFC 9457), each with a short code for programs."""

import errno
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from lgrseg.serve.job_store import CannotWrite

MEDIA_TYPE = "application/problem+json"


class ServiceError(Exception):
    """An error that is an answer."""

    def __init__(
        self, status: int, code: str, detail: str, *, retry_after: float | None = None, **more: Any
    ):
        """Describe the error.

        Args:
            status: HTTP status.
            code: short name for programs.
            detail: one sentence for the user: what was wrong, what is allowed, what to do.
            retry_after: seconds after which the call may succeed.
            more: other entries of the answer.
        """
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.retry_after, self.more = retry_after, more


def problem_response(error: ServiceError) -> JSONResponse:
    """Make the answer of an error."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        **error.more,
    }
    headers = {}
    if error.retry_after is not None:
        content["retry_after"] = error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status in (408, 413):
        headers["Connection"] = "close"
    return JSONResponse(content, error.status, headers, MEDIA_TYPE)


def only_known_settings(request: Request) -> None:
    """Refuse settings that a call does not have: one that is misspelt would not be honoured.

    Raises:
        ServiceError: 422 with the settings that there are.
    """
    call = request.app.openapi()["paths"][request.scope["route"].path][request.method.lower()]
    names = [entry["name"] for entry in call.get("parameters", ()) if entry["in"] == "query"]
    if unknown := sorted(set(request.query_params) - set(names)):
        detail = f"no setting {unknown[0]!r}; there are: {', '.join(sorted(names)) or 'none'}"
        raise ServiceError(422, "bad_settings", detail)


def methods_of(app: FastAPI, path: str) -> list[str]:
    """Methods of the calls with an address."""
    calls = app.openapi()["paths"].items()
    found = [call for pattern, call in calls if compile_path(pattern)[0].match(path)]
    return sorted({method.upper() for call in found for method in call})


def add_handlers(app: FastAPI) -> None:
    """Let every error of an app be answered as a problem."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status, code, detail = error.status_code, "bad_request", str(error.detail)
        if status in (404, 405):  # also of the page, which answers for what no call has taken
            status, code = 404, "not_found"
            detail = "there is no such address; /openapi.json lists all calls"
            allowed = ", ".join(methods_of(app, request.url.path))
            if allowed:
                status, code = 405, "method_not_allowed"
                detail = f"{request.method} is not allowed here, but {allowed}"
        response = problem_response(ServiceError(status, code, detail))
        if status == 405:
            response.headers["Allow"] = allowed
        return response

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        where = [
            f"{'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}"
            for entry in error.errors()
        ]
        is_json = "json" in request.headers.get("content-type", "")
        if not is_json and any(entry["loc"] == ("body",) for entry in error.errors()):
            where = ["the body is JSON, with the header Content-Type: application/json"]
        return problem_response(ServiceError(422, "bad_settings", "; ".join(where[:5])))

    @app.exception_handler(CannotWrite)
    async def _table(_: Request, error: CannotWrite) -> JSONResponse:
        if error.errno == errno.ENOSPC:
            return problem_response(disk_full())
        detail = "the table of jobs is busy"
        return problem_response(ServiceError(503, "busy", detail, retry_after=5))

    @app.exception_handler(Exception)
    async def _internal(_: Request, error: Exception) -> JSONResponse:
        detail = "an error of the service; its log has the time of it"
        return problem_response(ServiceError(500, "internal", detail))


def disk_full() -> ServiceError:
    """The answer when the disk is full."""
    detail = "the disk of the service is full; older results may be deleted to make space"
    return ServiceError(507, "disk_full", detail, retry_after=60)


CODES = {
    400: "empty",
    401: "no_token",
    404: "not_found",
    408: "too_slow",
    409: "not_done",
    410: "expired",
    411: "no_length",
    413: "too_large",
    415: "unsupported",
    422: "bad_settings",
    429: "queue_full",
    501: "no_box_model",
    503: "no_worker",
    507: "disk_full",
}
"""A code of every status, for the examples of OpenAPI; a status may have others."""
AGAIN = {429: 10, 503: 5, 507: 60}
"""Statuses after which the call may succeed, and an example of the seconds."""


def problems(**by_status: str) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a call for OpenAPI, as in `s404="there is no such job"`."""
    return {int(key[1:]): _described(int(key[1:]), text) for key, text in by_status.items()}


def _described(status: int, text: str) -> dict[str, Any]:
    if status not in CODES:  # 416 has no content
        return {"description": text}
    example = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": CODES[status],
        "detail": text,
    }
    again = {"retry_after": AGAIN[status]} if status in AGAIN else {}
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema, "example": example | again}}
    return {"description": text, "content": content}
