"""A governed program that answers GET and PUT, and can misbehave."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORK, COST = "work", "cost"
"""The two rules that every kit holds; COST may have any number of at least 0."""

KNOWN = frozenset({WORK, COST, "never"})


class Program(ThreadingHTTPServer):
    """Holds rules as resources, remembers what it was asked, and can misbehave."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.documents: dict[str, dict] = {}
        self.versions: dict[str, int] = {}
        self.epoch = 0
        self.fault: str | None = None
        self.keeps_stamps = True
        self.gives_etags = True
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """What is answered to a method, whatever is asked."""
        self.peace = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def etag(self, path: str) -> str:
        return f'"{self.versions.get(path, 0)}"'

    def set(self, path: str, document: dict) -> None:
        self.documents[path] = document
        self.versions[path] = self.versions.get(path, 0) + 1

    def end(self) -> None:
        self.peace.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request, client_address):
        """A client that hung up is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    server: Program

    def do_GET(self):
        if not self._misbehaves("GET"):
            document = self.server.documents.get(self.path)
            if document is None:
                self._answer(404, {"error": "never set"})
            else:
                self._answer(200, document)

    def do_PUT(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._misbehaves("PUT"):
            self._put(body)

    def _put(self, body):
        server, rule = self.server, self.path.rpartition("/")[2]
        epoch = int(self.headers["X-Control-Epoch"])
        if epoch < server.epoch:
            self._answer(409, {"error": "old leader"}, {"X-Control-Epoch": str(server.epoch)})
        elif self.path == "/fence":
            server.epoch = body["epoch"]
            self._answer(204)
        elif rule not in KNOWN and self.path != "/all":
            self._answer(404, {"error": f"no rule {rule}"})
        elif self.headers.get("If-Match", server.etag(self.path)) != server.etag(self.path):
            self._answer(412, {"error": "changed"})
        else:
            if not server.keeps_stamps:
                body.pop("stamp", None)
            if server.fault != "lie":
                server.set(self.path, body)
            self._answer(200, body)

    def _misbehaves(self, method) -> bool:
        server = self.server
        server.asked.append((method, self.path, dict(self.headers)))
        if method in server.answers:
            status, headers, data = server.answers[method]
            self._answer(status, data, headers)
            return True
        if method == "GET":
            return False
        if server.fault == "refuse":
            self._answer(403, {"error": "not today"})
        elif server.fault == "partial" and self.path.endswith(COST):
            self._answer(500, {"error": "broke in the middle"})
        elif server.fault == "silence":
            server.peace.wait(10)
        else:
            return False
        return True

    def _answer(self, status, body=None, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if self.server.gives_etags and status == 200:
            self.send_header("ETag", self.server.etag(self.path))
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def log_message(self, *_):
        """Nothing on stderr."""
