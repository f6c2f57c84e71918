"""Answers in JSON: what is wrong, and what to do about it; never where in the code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Receive, Scope, Send

LINGER_S = 1.0
LINGER_BYTES = 8_000_000
"""How long, and how much, is still listened to when the answer is given before all was said."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not carried out: ends in an answer with its reason."""

    def __init__(
        self,
        status: int,
        reason: str,
        hint: str | None = None,
        problems: Sequence[Any] = (),
        *,
        early: bool = False,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.early = early
        """It is refused before all of it was heard."""
        self.body: dict[str, Any] = {"error": reason}
        if hint is not None:
            self.body["hint"] = hint
        if problems:
            self.body["problems"] = list(problems)

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """Give the answer."""
        kind = LastWord if self.early else JSONResponse
        return kind(self.body, self.status, dict(headers or {}))


class LastWord(JSONResponse):
    """An answer that ends the conversation while the other side is still talking.

    Who closes the line at once takes his answer back with it. So what is still
    being said is listened to for a moment, and forgotten.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, listen for a moment, hang up."""
        del scope
        self.headers["connection"] = "close"
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(LINGER_S):
                heard = 0
                while heard < LINGER_BYTES:
                    message = await receive()
                    heard += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        break
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
