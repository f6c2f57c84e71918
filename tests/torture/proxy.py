"""Stands between the daemon and its Postgres, and loses the answers to some commits."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import random
    from pathlib import Path

NAME = ".s.PGSQL.5432"
COMMIT = b"COMMIT"
SIZE = 65_536
PATIENCE_S = 5.0


class Proxy:
    """A socket of its own; every connection to it is passed on to the server's."""

    def __init__(self, folder: Path, server: Path, rng: random.Random) -> None:
        self.folder = folder
        self._server = server
        self._rng = rng
        self.share = 0.0
        """The share of commits of which something is lost."""
        self.unanswered = 0
        """Commits that the server carried out and whose answer nobody got."""
        self.unsent = 0
        """Commits that never got to the server."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        self._listener.bind(str(self.folder / NAME))
        (self.folder / NAME).chmod(0o777)
        self._listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(str(self._server / NAME))
            except OSError:
                client.close()
                continue
            lock = threading.Lock()
            threading.Thread(target=self._there, args=(client, server, lock), daemon=True).start()
            threading.Thread(target=self._back, args=(server, client, lock), daemon=True).start()

    def _there(self, client: socket.socket, server: socket.socket, lock: threading.Lock) -> None:
        """Pass on what the client says; a commit may be the last that it says."""
        with contextlib.suppress(OSError):
            while data := client.recv(SIZE):
                if COMMIT in data and self._rng.random() < self.share:
                    self._lose(data, client, server, lock)
                    return
                server.sendall(data)
        _end(client, server)

    def _lose(self, data: bytes, client: socket.socket, server: socket.socket, lock) -> None:
        with lock:  # nothing goes back any more
            if self._rng.random() < 1 / 4:
                self.unsent += 1
            else:
                server.sendall(data)
                server.settimeout(PATIENCE_S)
                answer = server.recv(SIZE)
                self.unanswered += COMMIT in answer
            _end(client, server)

    @staticmethod
    def _back(server: socket.socket, client: socket.socket, lock: threading.Lock) -> None:
        with contextlib.suppress(OSError):
            while True:
                seen = server.recv(1, socket.MSG_PEEK)
                if not seen:
                    break
                with lock:
                    data = server.recv(SIZE, socket.MSG_DONTWAIT)
                    client.sendall(data)
        _end(client, server)


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
