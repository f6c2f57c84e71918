"""One request at a time, within its time, whatever the other side does."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from daemon.log import mask, printable
from daemon.ports import ControlsFault, ControlsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from pathlib import Path

ANSWER_MAX = 256 * 1024
"""Bytes of an answer that are read before it is refused."""

_TOKEN_MAX = 8 * 1024
_EXCERPT_MAX = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    data: bytes


class Client:
    """Sends requests, each within its time; follows no redirect and keeps no connection."""

    def __init__(
        self,
        *,
        timeout_s: float = 5.0,
        headers: Mapping[str, str] | None = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._headers = dict(headers or {})
        self._token = token

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and read what comes back.

        Raises:
            ControlsFault: nobody knows what became of it.
        """
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        late = _Deadline(self._timeout_s)
        reason = "its answer ended too early"
        try:
            connection.connect()
            late.watch(connection.sock)
            connection.request(method, target, body, {**self._all_headers(), **(headers or {})})
            response = connection.getresponse()
            data = response.read(ANSWER_MAX + 1)
            is_whole = not response.length or len(data) > ANSWER_MAX
            if is_whole and not late.passed:
                return self._whole(url, Answer(response.status, response.headers, data))
        except (OSError, HTTPException, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        finally:
            late.end()
            connection.close()
        if late.passed or reason == "timed out":
            reason = f"it took longer than {self._timeout_s:g} s"
        raise ControlsFault(
            f"{method} {mask(url)} did not come to an end: {printable(reason)}",
            hint="is the program running, and is the address right?",
        )

    def _all_headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "self-tuning-daemon",
            **self._headers,
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        return headers

    @staticmethod
    def _whole(url: str, answer: Answer) -> Answer:
        if len(answer.data) > ANSWER_MAX:
            raise ControlsFault(
                f"{mask(url)} answers with more than {ANSWER_MAX:,} bytes",
                hint="is the address right? A few numbers take no more than a line",
            )
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ControlsFault(f"{mask(url)} answers in a compressed form nobody asked for")
        return answer


class _Deadline:
    """Cuts a connection that takes too long, however steadily it drips."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, sock: socket.socket) -> None:
        """Say what is to be cut."""
        self._socket = sock
        if self.passed:
            self._cut()

    def end(self) -> None:
        """Nothing is to be cut any more."""
        self._timer.cancel()
        self._socket = None

    def _cut(self) -> None:
        self.passed = True
        with suppress(OSError, AttributeError):
            self._socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def token_from_file(path: Path) -> Callable[[], str]:
    """Read a token from the first line of a file, every time that it is needed."""

    def read() -> str:
        try:
            with path.open("rb") as file:
                return _sendable(file.read(_TOKEN_MAX).decode("ascii", "replace"), str(path))
        except OSError as error:
            reason = f"the token in {path} cannot be read: {error.strerror}"
        raise ControlsFault(reason, hint="check the path, its owner and its permissions")

    return read


def token_from_variable(name: str, environ: Mapping[str, str]) -> Callable[[], str]:
    """Take a token from a variable of the environment."""
    return lambda: _sendable(environ.get(name, ""), f"the variable {name}")


def _sendable(text: str, place: str) -> str:
    lines = text.strip().splitlines()
    if not lines or not lines[0].isascii() or not lines[0].isprintable():
        raise ControlsFault(f"there is no token in {place}", hint="one line of printable ASCII")
    return lines[0]


_HINTS = {
    401: "check the token, and that the program knows it",
    403: "check what the program lets this token do",
    404: "the program does not know this rule",
    405: "the program takes no PUT here",
    412: "somebody else set it meanwhile; the next look takes it into account",
    422: "the program does not take this value, or not the stamp beside it: see `stamp_field`",
    429: "the program wants fewer requests",
}


def complaint(method: str, url: str, answer: Answer) -> ControlsFault:
    """Say what an answer means that is none of success: 3xx and 4xx changed nothing."""
    text = f"{method} {mask(url)} was answered with {answer.status}"
    if said := excerpt(answer.data):
        text += f": {said}"
    if 300 <= answer.status < 400:  # noqa: PLR2004 - what HTTP calls a redirect
        return ControlsRefused(text, hint="redirects are not followed: write the final address")
    if 400 <= answer.status < 500:  # noqa: PLR2004 - what HTTP calls the client's fault
        return ControlsRefused(text, hint=_HINTS.get(answer.status))
    return ControlsFault(text, hint="what became of it is not known until it is read again")


def excerpt(data: bytes) -> str:
    """Give the first line of an answer, as far as a person reads it."""
    lines = data[:_EXCERPT_MAX].decode("utf-8", "replace").strip().splitlines()
    return mask(printable(lines[0])) if lines else ""
