"""A door that is open on a free port, and a hand to knock with."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.settings import Settings
from daemon.services.living.pulse import Phase
from daemon.services.watching.inbox import Inbox
from daemon.web.doors import create
from daemon.web.listener import STOP_S, Listener
from daemon.web.server import Impatient, server
from daemon.web.token import read_token
from tests.life_kit import HandClock, HandEngine, HandLease, HandSource, service

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 10
"""After so long a test gives up; nothing in it waits for that."""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Hasty(Impatient):
    """A door that hangs up sooner than a test would like to wait."""

    headers_s = 0.2
    connections_max = 6


class Door:
    """A service behind a door, and requests byte by byte."""

    def __init__(self, listener: Listener, made: Any, source: HandSource) -> None:
        self.service = made
        self.source = source
        address = listener.address(PATIENCE_S)
        assert address is not None
        self.address = address

    @contextmanager
    def line(self) -> Iterator[socket.socket]:
        """Open a connection."""
        with socket.create_connection(self.address, PATIENCE_S) as line:
            yield line

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request as it should be sent; a header of nothing is left out."""
        given = {"Host": "localhost", "Connection": "close", **(headers or {})}
        if body or method == "POST":
            given.setdefault("Content-Length", str(len(body)))
        lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        with self.line() as line:
            line.sendall(head.encode("latin-1") + body)
            return read_answer(line)

    def push(self, body: Any, media: str = "application/json", path: str = "/signals") -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, data, {"Content-Type": media})


def read_answer(line: socket.socket) -> Answer:
    """Read until the other side hangs up."""
    data = b""
    while chunk := line.recv(65_536):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    return Answer(int(first.split()[1]), headers, body)


@contextmanager
def opened(settings: Settings, engine: Any = None, desk: Any = None, **how: Any) -> Iterator[Door]:
    """Open a door for as long as the block runs."""
    clock = HandClock()
    source = HandSource()
    made = service(clock, engine or HandEngine(clock), HandLease(), Inbox([source]), desk)
    made.pulse.enter(Phase.LEADING, 0)
    app = create(made, settings.http, read_token(settings.http), **how)
    listener = Listener(lambda: server(app, STOP_S, Hasty), settings.http.host, 0)
    listener.open()
    try:
        yield Door(listener, made, source)
    finally:
        listener.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Door]:
    """One door for all tests of a module that leave it as it was."""
    with opened(Settings(), request_s=0.5) as door:
        yield door


@pytest.fixture
def door(shared: Door) -> Door:
    """An open door without samples behind it."""
    shared.source.taken.clear()
    return shared
