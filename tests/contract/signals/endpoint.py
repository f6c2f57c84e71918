"""An HTTP server that answers as a test wants it to: well, late, in drops, too much, nonsense."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = b"x" * 2**20


class Endpoint:
    """Answers on loopback; `mode` says how."""

    def __init__(self) -> None:
        self.mode = "well"
        self.body = b""
        self.kind = "text/plain; version=0.0.4"
        self.status = 200
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        """Path, parameters and headers of every question."""
        self.released = threading.Event()
        self.series: dict[str, list[dict[float, str]]] | None = None
        """Of each query its series, a value by moment: then it answers as Prometheus does."""
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (Handler,), {"endpoint": self})
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers one question in the mode of its endpoint."""

    endpoint: Endpoint

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.endpoint.asked.append((parts.path, params, dict(self.headers)))
        with contextlib.suppress(OSError):
            getattr(self, f"_{self.endpoint.mode}")(params)

    def _well(self, params: dict[str, str]) -> None:
        if self.endpoint.series is not None:
            self._answer(200, prometheus(self.endpoint.series, params))
        else:
            self._answer(self.endpoint.status, self.endpoint.body)

    def _silent(self, params: dict[str, str]) -> None:
        self.endpoint.released.wait(10)

    def _dripping_head(self, params: dict[str, str]) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            self.wfile.write(bytes([byte]))
            if self.endpoint.released.wait(0.02):
                return

    def _dripping_body(self, params: dict[str, str]) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.endpoint.released.wait(0.02):
            self.wfile.write(b"x")

    def _huge(self, params: dict[str, str]) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(MEGABYTE)

    def _redirect(self, params: dict[str, str]) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.endpoint.url}/elsewhere")
        self.end_headers()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.endpoint.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def prometheus(series: dict[str, list[dict[float, str]]], params: dict[str, str]) -> bytes:
    """Answer a query as the HTTP API of Prometheus does."""
    found = series.get(params["query"], [])
    if "time" in params:
        at = float(params["time"])
        result = [{"metric": {}, "value": [at, one[at]]} for one in found if at in one]
        kind = "vector"
    else:
        start, end = float(params["start"]), float(params["end"])
        result = [
            {"metric": {}, "values": [[at, one[at]] for at in sorted(one) if start <= at <= end]}
            for one in found
        ]
        result = [one for one in result if one["values"]]
        kind = "matrix"
    return json.dumps(
        {"status": "success", "data": {"resultType": kind, "result": result}}
    ).encode()


@contextlib.contextmanager
def an_endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    try:
        yield endpoint
    finally:
        endpoint.stop()
