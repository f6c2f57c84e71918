"""The routes: is it alive, is it ready, what are its numbers; signals that are pushed, studies."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import daemon
from daemon.services.living.metrics import CONTENT_TYPE
from daemon.services.living.pulse import lifeless, unready
from daemon.web import studies
from daemon.web.batch import READERS, read_batch
from daemon.web.bodies import body_of, media_of
from daemon.web.guard import REQUEST_S, Guard, host_names
from daemon.web.replies import Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from daemon.config.http import Http
    from daemon.services.living.service import Service
    from daemon.services.watching.inbox import Delivery

BODY_BYTES_MAX = 1_000_000
STRANGERS_SHOWN = 10

SAMPLE_SCHEMA = {
    "type": "object",
    "required": ["signal", "value"],
    "additionalProperties": False,
    "properties": {
        "signal": {"type": "string", "maxLength": 200},
        "at": {
            "oneOf": [{"type": "string", "format": "date-time"}, {"type": "number"}],
            "description": "When: ISO 8601, or seconds since 1970. Without it, now.",
        },
        "value": {"type": ["number", "null"]},
    },
}
SAMPLES_SCHEMA = {"type": "array", "items": SAMPLE_SCHEMA}
BATCH_SCHEMA = {
    "oneOf": [
        SAMPLES_SCHEMA,
        {"type": "object", "required": ["samples"], "properties": {"samples": SAMPLES_SCHEMA}},
    ]
}
BATCH = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": BATCH_SCHEMA},
            "text/csv": {"schema": {"type": "string"}, "example": "signal,at,value\nload,,0.7\n"},
        },
    }
}


def create(
    service: Service, http: Http, token: str | None = None, request_s: float = REQUEST_S
) -> ASGIApp:
    """Build the application for a service; where there is a token, everybody is asked for it."""
    app = FastAPI(
        title="self-tuning-daemon",
        version=daemon.__version__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    _probes(app, service)
    _signals(app, service)
    studies.add(app, service)
    _refusals(app, service)
    return Guard(app, host_names(http), token, request_s)


def _probes(app: FastAPI, service: Service) -> None:
    pulse, clock = service.pulse, service.clock

    @app.get("/livez", summary="Does the loop come round? Asks no database.")
    async def livez() -> JSONResponse:
        fault = lifeless(pulse, clock.elapsed_us())
        status = HTTPStatus.OK if fault is None else HTTPStatus.SERVICE_UNAVAILABLE
        reasons = [] if fault is None else [fault]
        body = {"alive": fault is None, "phase": pulse.phase, "reasons": reasons}
        return JSONResponse(body, status)

    @app.get("/readyz", summary="Does it do its whole work? If not, why not.")
    async def readyz() -> JSONResponse:
        reasons = list(unready(pulse, service.status(), clock.elapsed_us()))
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        body = {"ready": not reasons, "phase": pulse.phase, "reasons": reasons}
        return JSONResponse(body, status)

    @app.get("/metrics", summary="Numbers for Prometheus.", response_class=Response)
    async def metrics() -> Response:
        return Response(service.meters.render(), media_type=CONTENT_TYPE)


def _signals(app: FastAPI, service: Service) -> None:
    async def push(request: Request) -> JSONResponse:
        media = media_of(request, READERS)
        body = await body_of(request, BODY_BYTES_MAX, "send several batches")
        readings = read_batch(body, media, service.clock.now_us())
        if service.inbox is None:
            hint = "declare a source of kind push in the settings"
            raise Refusal(HTTPStatus.CONFLICT, "nothing is pushed to this daemon", hint)
        return _answer(service.inbox.deliver(readings))

    for path in ("/api/v1/signals", "/signals"):
        app.add_api_route(
            path,
            push,
            methods=["POST"],
            status_code=HTTPStatus.ACCEPTED,
            summary="Push a batch of samples; those of unknown signals are left out.",
            openapi_extra=BATCH,
            include_in_schema=path.startswith("/api/"),
        )


def _answer(delivery: Delivery) -> JSONResponse:
    """Say what became of a batch."""
    if delivery.too_large:
        reason = f"at most {delivery.too_large:,} samples fit into the buffer of the source"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, "send several batches")
    if delivery.full:
        reason = "too many samples wait to be stored; none was taken"
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, reason, "send the same batch again later")
    strangers = delivery.strangers[:STRANGERS_SHOWN]
    if delivery.left_out and not delivery.accepted:
        reason = "no source of kind push has any of these signals"
        hint = "name them under `signals` of a source of kind push"
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, reason, hint, strangers)
    body = {"accepted": delivery.accepted, "left_out": delivery.left_out, "unknown": strangers}
    return JSONResponse(body, HTTPStatus.ACCEPTED)


# ── what goes wrong ──────────────────────────────────────────────────────────
def _refusals(app: FastAPI, service: Service) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        del request
        service.meters.erred(f"http_{refusal.status}")
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            return refusal.response({"retry-after": "1"})
        return refusal.response()

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        del request
        reason = HTTPStatus(error.status_code).phrase.lower()
        return JSONResponse({"error": reason}, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: Exception) -> Response:
        del request, error
        return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        del request, error  # uvicorn writes it to the log
        service.meters.erred("http_500")
        reason = "something went wrong here; the log of the daemon says what"
        return JSONResponse({"error": reason}, HTTPStatus.INTERNAL_SERVER_ERROR)
