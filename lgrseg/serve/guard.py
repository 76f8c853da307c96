"""Stands before every call: Host, token, headers of the answer, a log line, and metrics."""

import asyncio
import hashlib
import hmac
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lgrseg.serve.logs import log
from lgrseg.serve.metrics import Metrics
from lgrseg.serve.problems import ServiceError, problem_response
from lgrseg.serve.rate_limit import RateLimit
from lgrseg.serve.settings import Settings

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
PROTECTED = ("/v1/", "/metrics", "/openapi.json", "/docs")
"""Calls that need a token, if the service has one; the page itself has no data."""
UPLOADS = ("/v1/clips", "/v1/images")
MOST_JSON = 2**20
"""Most bytes of a call that is no upload."""
WRONG_TOKENS_A_MINUTE = 30
LOCAL_OWNER = "local"


class Guard:
    """Middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics):
        """Wrap an app."""
        self.app, self.settings, self.metrics = app, settings, metrics
        self.wrong_tokens = RateLimit(WRONG_TOKENS_A_MINUTE, burst=10)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "websocket":
            await self.websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status, number = time.perf_counter(), 500, secrets.token_hex(8)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = number
                if scope["path"].startswith("/v1/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            scope.setdefault("state", {})["owner"] = self.check(scope)
            if scope["path"] not in UPLOADS:
                receive = self.small_body(scope, receive)
            await self.app(scope, receive, answer)
        except ServiceError as error:
            await problem_response(error)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.count(scope["method"], route, status, seconds)
            log(
                "request",
                id=number,
                method=scope["method"],
                route=route,
                status=status,
                ms=round(1000 * seconds, 1),
            )

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket on if its Host, token and Origin are right; else refuse it (403)."""
        try:
            scope.setdefault("state", {})["owner"] = self.check(scope)
            headers = Headers(scope=scope)
            origin = headers.get("origin")  # of browsers; pages of others may not connect
            if origin is not None and origin.partition("://")[2] != headers.get("host"):
                raise ServiceError(403, "bad_origin", "a page of another address connects")
        except ServiceError as error:
            log("stream refused", code=error.code)
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    def small_body(self, scope: Scope, receive: Receive) -> Receive:
        """Let a call that is no upload have a small body, which comes in time.

        Raises:
            ServiceError: 411 the body has no length, 413 it is too long.
        """
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers:
            raise ServiceError(411, "no_length", "the call needs a Content-Length")
        if int(headers.get("content-length", 0)) > MOST_JSON:
            raise ServiceError(413, "too_large", f"the call has more than {MOST_JSON} bytes")
        complete = False

        async def receive_in_time() -> Message:
            nonlocal complete
            if complete:  # what follows is the end of the connection, at any time
                return await receive()
            async with asyncio.timeout(self.settings.chunk_seconds):
                message = await receive()
            complete = not message.get("more_body", False)
            return message

        return receive_in_time

    def check(self, scope: Scope) -> str:
        """Check Host and token, and give the owner of the jobs of this client.

        Raises:
            ServiceError: 400 another Host, 401 no token or a wrong one, 429 too many wrong ones.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        allowed = self.settings.allowed_hosts
        if "*" not in allowed and name.lower() not in allowed:
            names = ", ".join(allowed)
            detail = f"the service is not called by this host name, but by {names}; see --hosts"
            raise ServiceError(400, "bad_host", detail)
        if not self.settings.token_hashes:
            return LOCAL_OWNER
        if not scope["path"].startswith(PROTECTED):
            return ""
        return self._owner(headers.get("authorization", ""), client_of(scope))

    def _owner(self, authorization: str, client: str) -> str:
        scheme, _, token = authorization.partition(" ")
        given = hashlib.sha256(token.strip().encode()).hexdigest()
        matching = [h for h in self.settings.token_hashes if hmac.compare_digest(h, given)]
        if scheme.lower() == "bearer" and matching:
            return matching[0][:16]
        if token and (wait := self.wrong_tokens.wait_of(client)):
            detail = "too many calls with a wrong token"
            raise ServiceError(429, "too_many_calls", detail, retry_after=wait)
        detail = "the call needs the header Authorization: Bearer TOKEN with a token of the service"
        raise ServiceError(401, "no_token", detail)


def client_of(scope: Scope) -> str:
    """Address of the client."""
    return scope["client"][0] if scope.get("client") else "unknown"
