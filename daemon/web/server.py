"""The server: few connections, and no patience with slow ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp

CONNECTIONS_MAX = 64
"""Connections beyond this many are hung up at once."""

BUSY_AT = 48
"""From so many connections on, requests are told to come again."""

HEADERS_S = 10.0
"""How long the head of a request may take to arrive."""

HEADERS_BYTES_MAX = 16_384
IDLE_S = 5
"""How long a connection is kept without a request."""

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

HEADERS = [
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
]


class Impatient(H11Protocol):
    """A connection that is hung up when the head of a request does not arrive in time."""

    headers_s = HEADERS_S
    connections_max = CONNECTIONS_MAX

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            transport.abort()
        else:
            self._deadline = self.loop.call_later(self.headers_s, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Take what came; the time for a head runs from its first byte on."""
        super().data_received(data)
        waiting = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if not waiting:
            self._calm()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.headers_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._calm()
        super().connection_lost(exc)

    def _calm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self.transport.write(TOO_SLOW)
        self.transport.close()


def server(app: ASGIApp, stop_s: int, connection: type[Impatient] = Impatient) -> uvicorn.Server:
    """Make what answers at an address with an application.

    When it is to end, requests under way may take so long to end before.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            headers=HEADERS,
            limit_concurrency=BUSY_AT,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=stop_s,
            h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
        )
    )
