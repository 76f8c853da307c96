"""Runs the web process under uvicorn; a header that comes too slowly ends its connection.

    python -m lgrseg.serve.web PARENT

PARENT is the process number of the supervisor; this process ends with it. The settings come as one
line of JSON on the standard input.
"""

import asyncio
import signal
import sys

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lgrseg.serve.app import create_app
from lgrseg.serve.logs import start_logging
from lgrseg.serve.parent import end_with_parent
from lgrseg.serve.routes_stream import MOST_BYTES
from lgrseg.serve.settings import Settings


def protocol_with_deadline(seconds: float) -> type[HttpToolsProtocol]:
    """Make uvicorn's protocol with a time limit for the header of every request."""

    class DeadlineProtocol(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_header()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._deadline is None:
                self._wait_for_header()

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait_for_header(self) -> None:
            self._deadline = self.loop.call_later(seconds, self._too_slow)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = None

        def _too_slow(self) -> None:
            self._deadline = None
            if not self.transport.is_closing():
                self.transport.close()

    return DeadlineProtocol


def main() -> int:
    """Serve until the process is ended."""
    end_with_parent(int(sys.argv[1]), signal.SIGTERM)
    start_logging()
    settings = Settings.model_validate_json(sys.stdin.readline())
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=protocol_with_deadline(settings.header_seconds),
        ws="websockets-sansio",
        ws_max_size=MOST_BYTES,
        ws_per_message_deflate=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=10,
        server_header=False,
        date_header=True,
        access_log=False,
        log_level="warning",
        h11_max_incomplete_event_size=2**16,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
