"""One careful GET: in time, of bounded size, without redirects, with a token that never shows."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any

import httpx

from daemon.log import mask, printable
from daemon.ports import SourceFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWER_MAX = 8 * 2**20
"""Bytes of an answer; whoever says more is not understood sooner."""

TOKEN_MAX = 8_192
_SHOWN = 200
_OK = 200
_REDIRECTS = range(300, 400)
_CONNECTED = {"connection.connect_tcp.complete", "connection.start_tls.complete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whom to ask, and how."""

    url: str
    timeout_s: float = 5.0
    token_file: Path | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    kind: str
    """The type of the content, as whoever answered calls it."""
    body: bytes

    @property
    def sound(self) -> bool:
        """Whether it is an answer to the question."""
        return self.status == _OK


class Fetcher:
    """Asks one place; every question has its own connection and one time-out for all of it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._client = httpx.Client(
            timeout=place.timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=place.url.startswith("https:"),  # to load what is trusted takes a while
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def get(
        self, path: str = "", params: Mapping[str, str] | None = None, **headers: str
    ) -> Answer:
        """Ask.

        Raises:
            SourceFault: nobody answers, in time and at bearable length.
        """
        url = self.place.url.rstrip("/") + path if path else self.place.url
        cut = _Cut(self.place.timeout_s)
        try:
            with (
                cut,
                self._client.stream(
                    "GET",
                    url,
                    params=params,
                    headers={**headers, **self._authorization()},
                    extensions={"trace": cut.watch},
                ) as answer,
            ):
                found = self._read(answer)
            if not cut.late:  # an answer without a length ends wherever it is cut
                return found
            why = self._late()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            why = self._why(error, late=cut.late)
        raise self._fault(why)

    def close(self) -> None:
        """Let go of what is open."""
        self._client.close()

    def refused(self, answer: Answer) -> SourceFault:
        """Say what was answered instead of what was asked for."""
        if answer.status in _REDIRECTS:
            return self._fault("answers with a redirect, which is not followed")
        text = printable(mask(answer.body[:_SHOWN].decode(errors="replace").strip()))
        return self._fault(f"answers {answer.status}" + (f": {text}" if text else ""))

    def _read(self, answer: httpx.Response) -> Answer:
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > ANSWER_MAX:
                raise self._fault(f"answers with more than {ANSWER_MAX:,} bytes")
        return Answer(answer.status_code, answer.headers.get("content-type", ""), bytes(body))

    def _authorization(self) -> dict[str, str]:
        token = self.place.token
        if self.place.token_file is not None:
            token = self._token_in(self.place.token_file)
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def _token_in(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                token = file.read(TOKEN_MAX).decode("ascii").strip()
        except (OSError, ValueError):
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise SourceFault(
                f"{path} holds no token", hint="one line of letters, readable by the daemon"
            )
        return token

    def _why(self, error: Exception, *, late: bool) -> str:
        if late or isinstance(error, httpx.TimeoutException):
            return self._late()
        return f"cannot be reached: {printable(mask(str(error) or type(error).__name__))}"

    def _late(self) -> str:
        return f"did not answer within {self.place.timeout_s:g} s"

    def _fault(self, why: str) -> SourceFault:
        place = self.place.url.partition("?")[0]
        return SourceFault(
            f"{printable(mask(place))} {why}", hint="ask it with curl from this host"
        )


class _Cut:
    """Cuts the connection when all of the time is over, whatever trickles in meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.late = False
        self._open: list[Any] = []
        self._timer = Timer(seconds, self._now)
        self._timer.daemon = True

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember what there is to cut."""
        if event in _CONNECTED:
            self._open.append(info["return_value"].get_extra_info("socket"))

    def _now(self) -> None:
        self.late = True
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
