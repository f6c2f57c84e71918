"""The listener: a thread of its own, which takes the address at once and answers soon after.

What answers takes a third of a second to load. A service that starts has more
urgent things to do, so that waits until it has started, or until somebody asks:
a request that comes sooner is kept by the system meanwhile.
"""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from daemon import log
from daemon.services.living.pulse import START_WITHIN_S, Phase
from daemon.web.token import read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.config.settings import Settings
    from daemon.services.living.service import Service

_log = log.get(__name__)

BIND_AGAIN_S = 5.0
"""How often an address that is taken is tried again."""

LOOK_S = 0.05
"""How often it is asked whether the service has started."""

STOP_S = 2
"""How long requests under way may take to end when the service does."""


class Server(Protocol):
    """What answers."""

    should_exit: bool

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer until it is told to exit."""
        ...


class Listener:
    """Answers at an address as soon as it is free, until it is closed."""

    bind_again_s = BIND_AGAIN_S

    def __init__(
        self,
        serve: Callable[[], Server],
        host: str,
        port: int,
        starting: Callable[[], bool] = lambda: False,
    ) -> None:
        """Say what is listened for.

        Args:
            serve: loads and makes what answers.
            host: the address.
            port: the port; 0 is any that is free.
            starting: whether the service has better things to do yet.
        """
        self._serve = serve
        self._host = host
        self._port = port
        self._starting = starting
        self._closed = threading.Event()
        self._bound = threading.Event()
        self._address: tuple[str, int] | None = None
        self._server: Server | None = None
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
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(2 * STOP_S)

    def _run(self) -> None:
        listening = self._bind()
        if listening is None:
            return
        with listening:
            host, port = listening.getsockname()[:2]
            self._address = (host, port)
            self._bound.set()
            self._wait(listening)
            if self._closed.is_set():
                return
            _log.info("http_listening", host=host, port=port)
            self._server = self._serve()
            if not self._closed.is_set():  # asked again: now it can be told
                self._server.run(sockets=[listening])

    def _wait(self, listening: socket.socket) -> None:
        """Leave the processor to a service that starts, unless somebody asks."""
        with selectors.DefaultSelector() as knocking:
            knocking.register(listening, selectors.EVENT_READ)
            for _ in range(round(START_WITHIN_S / LOOK_S)):
                if not self._starting() or self._closed.is_set() or knocking.select(LOOK_S):
                    return

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
    http = settings.http
    if not http.enabled:
        yield None
        return
    token = read_token(http)

    def serve() -> Server:
        from daemon.web.doors import create  # noqa: PLC0415 - see the head of this file
        from daemon.web.server import server  # noqa: PLC0415 - same

        return server(create(service, http, token), STOP_S)

    listener = Listener(serve, http.host, http.port, lambda: service.pulse.phase is Phase.STARTING)
    listener.open()
    try:
        yield listener
    finally:
        listener.close()
