"""What a request carries: of a kind that is known, and no more of it than is wanted."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from daemon.web.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request


def media_of(request: Request, known: Collection[str]) -> str:
    """Say what the body is; refuse before a byte of it is read.

    Raises:
        Refusal: it is nothing that is read here.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        reason = "a body that is packed is not unpacked here"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason, "send it as it is", early=True)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in known:
        hint = f"say so in the header Content-Type: {' or '.join(known)}"
        reason = "not a kind of body that is known"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, reason, hint, early=True)
    return media


async def body_of(request: Request, most: int, hint: str) -> bytes:
    """Read the body, and stop as soon as it is too large; what was announced is not believed.

    Raises:
        Refusal: it is too large.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most, hint)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise _too_large(most, hint)
    return bytes(body)


def _too_large(most: int, hint: str) -> Refusal:
    reason = f"the body has more than {most:,} bytes"
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, hint, early=True)
