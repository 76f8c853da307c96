"""Errors of the service as problem+json (RFC 9457), each with a short code for programs."""

import errno
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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


def add_handlers(app: FastAPI) -> None:
    """Let every error of an app be answered as a problem."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "bad_request")
        response = problem_response(ServiceError(error.status_code, code, str(error.detail)))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        where = [
            f"{'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}"
            for entry in error.errors()
        ]
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


PROBLEM = {"content": {MEDIA_TYPE: {"example": {"code": "not_found", "status": 404}}}}


def problems(**by_status: str) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a call for OpenAPI, as in `s404="there is no such job"`."""
    return {int(status[1:]): {"description": text, **PROBLEM} for status, text in by_status.items()}
