"""The listener: a thread of its own, few connections, and no patience with slow ones."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from daemon.web.doors import create

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from daemon.config.settings import Settings
    from daemon.services.living.service import Service

_log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 64
"""Connections beyond this many are hung up at once."""

BUSY_AT = 48
"""From so many connections on, requests are told to come again."""

HEADERS_S = 10.0
"""How long the head of a request may take to arrive."""

HEADERS_BYTES_MAX = 16_384
IDLE_S = 5
"""How long a connection is kept without a request."""

BIND_AGAIN_S = 5.0
"""How often an address that is taken is tried again."""

STOP_S = 2
"""How long requests under way may take to end when the service does."""

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


class Listener:
    """Answers at an address as soon as it is free, until it is closed."""

    bind_again_s = BIND_AGAIN_S

    def __init__(
        self, app: ASGIApp, host: str, port: int, connection: type[Impatient] = Impatient
    ) -> None:
        self._host = host
        self._port = port
        self._closed = threading.Event()
        self._bound = threading.Event()
        self._address: tuple[str, int] | None = None
        self._server = uvicorn.Server(
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
                timeout_graceful_shutdown=STOP_S,
                h11_max_incomplete_event_size=HEADERS_BYTES_MAX,
            )
        )
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def open(self) -> None:
        """Begin to listen; an address that is taken is asked for again and again."""
        self._thread.start()

    def address(self, within_s: float) -> tuple[str, int] | None:
        """Say where it listens; None if that could not be arranged in time."""
        self._bound.wait(within_s)
        return self._address

    def close(self) -> None:
        """Let requests under way end, then stop listening."""
        self._closed.set()
        self._server.should_exit = True
        self._thread.join(2 * STOP_S)

    def _run(self) -> None:
        listening = self._bind()
        if listening is None:
            return
        host, port = listening.getsockname()[:2]
        self._address = (host, port)
        self._bound.set()
        _log.info("http_listening", host=host, port=port)
        with listening:
            self._server.run(sockets=[listening])

    def _bind(self) -> socket.socket | None:
        """Take the address. A service whose probes cannot be asked goes on with its work."""
        told = False
        while not self._closed.is_set():
            try:
                family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
                return socket.create_server((self._host, self._port), family=family)
            except OSError as error:
                if not told:
                    hint = "set http.port or http.host; it is tried again every few seconds"
                    where = f"{self._host}:{self._port}"
                    _log.error("http_cannot_listen", where=where, error=str(error), hint=hint)
                told = True
            self._closed.wait(self.bind_again_s)
        return None


@contextmanager
def open_to_programs(service: Service, settings: Settings) -> Iterator[Listener | None]:
    """Listen while the block runs, if the settings want it.

    Raises:
        ConfigError: the token that everybody is asked for cannot be read.
    """
    if not settings.http.enabled:
        yield None
        return
    listener = Listener(create(service, settings), settings.http.host, settings.http.port)
    listener.open()
    try:
        yield listener
    finally:
        listener.close()
