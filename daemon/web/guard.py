"""Who may ask what, and for how long: looked at before any route is.

- a request to a name that is not ours is refused: the page of a stranger that
  hides behind a name of its own must not reach a daemon on loopback;
- a browser that carries an origin may look and not change;
- where there is a token, everything but the probes asks for it;
- nobody may keep a request open for longer than a moment.
"""

from __future__ import annotations

import asyncio
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from daemon.config.http import is_address, split_names
from daemon.web.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from daemon.config.http import Http

REQUEST_S = 10.0
"""How long a request may take, from its last header to the last byte of the answer."""

OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""What a probe asks, which has no token; the answers hold names and numbers, and no values."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Stands before the routes."""

    def __init__(
        self,
        app: ASGIApp,
        names: Collection[str],
        token: str | None,
        request_s: float = REQUEST_S,
    ) -> None:
        self._app = app
        self._names = frozenset({"localhost", *names})
        self._token = None if token is None else token.encode()
        self._request_s = request_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._in_time(scope, receive, send)
            return
        unknown = refusal.status == HTTPStatus.UNAUTHORIZED
        answer = refusal.response({"www-authenticate": "Bearer"} if unknown else None)
        await answer(scope, receive, send)

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._request_s):
                await self._app(scope, receive, watched)
        except TimeoutError:
            if begun:
                return  # the line is closed in the middle of the answer
            late = Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request took too long", "send faster")
            await late.response({"connection": "close"})(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.getlist("host")):
            hint = "call it by an address or localhost, or list the name in http.names"
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST, "this host has no such name", hint, early=True
            )
        if scope["method"] not in SAFE_METHODS and "origin" in headers:
            reason = "pages in a browser may not change anything here"
            return Refusal(HTTPStatus.FORBIDDEN, reason, "send it from a program", early=True)
        if not self._may_enter(scope["path"], headers.getlist("authorization")):
            hint = "send the header: Authorization: Bearer <the token in http.token_file>"
            return Refusal(HTTPStatus.UNAUTHORIZED, "a token is needed here", hint, early=True)
        return None

    def _is_ours(self, given: list[str]) -> bool:
        """Tell whether a request is meant for us; an address cannot be made to point elsewhere."""
        if len(given) != 1:
            return False
        try:
            host = urlsplit(f"//{given[0]}").hostname or ""
        except ValueError:
            return False
        return is_address(host) or host.rstrip(".") in self._names

    def _may_enter(self, path: str, given: list[str]) -> bool:
        if self._token is None or path in OPEN_PATHS:
            return True
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(" ")
        right = hmac.compare_digest(token.strip().encode("latin-1"), self._token)
        return right and scheme.lower() == "bearer"


def host_names(http: Http) -> list[str]:
    """Name what this host is called."""
    return [http.host.lower(), *(name.rstrip(".") for name in split_names(http.names))]
