"""What tests of the watch share: programs that are told, and callers that note it."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from daemon.ports import Alert, AlertFault
from daemon.services.watching.alerting import Alerting, Kind
from daemon.services.watching.courier import Channel, Patience
from daemon.store import alerts
from tests.contract.lease_kit import HandClock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext
    from typing import Self


class Receiver:
    """A program that is told of alerts, on this machine; how it answers is a word.

    ``204`` and the like, ``redirect``, ``huge``, ``slow`` (a byte now and then),
    ``silent``, ``garbage``, ``hang_up``.
    """

    def __init__(self, answer: str = "204", tls: SSLContext | None = None) -> None:
        self.answer = answer
        self.got: list[tuple[Mapping[str, str], bytes]] = []
        self.paths: list[str] = []
        self.over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers), body))
                receiver.paths.append(self.path)
                getattr(receiver, f"_{receiver.answer}", receiver._status)(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=secretpath"

    # ── how it answers ───────────────────────────────────────────────────────
    def _status(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(int(self.answer))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _redirect(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", f"http://127.0.0.1:{self.port}/elsewhere")
        handler.end_headers()

    def _huge(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(4_096):
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            self.over.set()

    def _slow(self, handler: BaseHTTPRequestHandler) -> None:
        try:
            while not self.over.wait(0.02):
                handler.wfile.write(b"H")
                handler.wfile.flush()
        except OSError:
            self.over.set()

    def _silent(self, _: BaseHTTPRequestHandler) -> None:
        self.over.wait(30)

    def _garbage(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\x00\xff not http \r\n\r\n")

    def _hang_up(self, handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()


class Phone:
    """A channel that remembers what it was told, and fails when a test says so."""

    def __init__(self) -> None:
        self.rang: list[Alert] = []
        self.fault: Exception | None = None

    def send(self, alert: Alert) -> None:
        if self.fault is not None:
            raise self.fault
        self.rang.append(alert)

    def fail(self, reason: str = "the line is dead") -> None:
        self.fault = AlertFault(reason)

    @property
    def said(self) -> list[tuple[str, str, bool]]:
        return [(alert.kind, alert.key, alert.resolved) for alert in self.rang]


class Calls:
    """Who is called, noted down."""

    def __init__(self) -> None:
        self.standing: dict[tuple[str, str], tuple[str, str, Mapping[str, Any] | None]] = {}
        self.calls = 0

    def call(
        self,
        tx: Any,
        kind: str,
        key: str,
        severity: str,
        text: str,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        self.calls += 1
        self.standing[str(kind), key] = (str(severity), text, body)

    def calm(self, tx: Any, kind: str, key: str) -> None:
        self.standing.pop((str(kind), key), None)


STUCK = (Kind.STUCK_ROLLBACK, "7", "crit", "it cannot be taken back")
DEAD = (Kind.DEAD_SOURCE, "prices", "warn", "nothing comes")
HOUR = 3_600
AT_ONCE = Patience(look_s=0.01)


class Desk:
    """An alerting with one phone, or several, and a clock that is turned by hand."""

    def __init__(self, store, *phones, pace=None, patience=None, draw=lambda: 0.5):
        self.store = store
        self.clock = HandClock()
        self.phone = Phone()
        self.channels = phones or (Channel(name="phone", alerts=self.phone),)
        self.draw, self.pace, self.patience = draw, pace, patience
        self.restart()

    def restart(self):
        """What was in memory is gone."""
        self.alerting = Alerting(
            self.store,
            self.clock,
            self.channels,
            self.draw,
            pace=self.pace,
            patience=self.patience,
        )

    def call(self, kind, key, severity, text, body=None):
        with self.store.write() as tx:
            self.alerting.call(tx, kind, key, severity, text, body)

    def calm(self, kind, key):
        with self.store.write() as tx:
            self.alerting.calm(tx, kind, key)

    def deliver(self):
        """One round of the thread, and one of the leader."""
        tried = self.alerting.deliver()
        if self.alerting.has_news():
            self.collect()
        self.alerting.has_news()
        return tried

    def collect(self):
        with self.store.write() as tx:
            return self.alerting.collect(tx)

    def minutes(self, count):
        for _ in range(count):
            self.clock.turn(60)
            self.deliver()

    @property
    def rows(self):
        with self.store.read() as view:
            return alerts.listed(view, limit=1_000)

    @property
    def states(self):
        return [row.state for row in reversed(self.rows)]


def eventually(holds, seconds: float = 10.0) -> None:
    """Wait for what another thread or process will do in a moment."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)
