"""The routes of studies: handed in, asked after, ended."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotations
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from daemon.errors import ConfigError, StoreError
from daemon.services.submitting.desk import SHOWN_MAX, Crowded, Refused, Unknown
from daemon.web.bodies import body_of, media_of
from daemon.web.replies import Refusal
from daemon.web.submission import read_study, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from daemon.services.living.service import Service
    from daemon.services.submitting.desk import Desk

PATH = "/api/v1/backtests/optimize"
PATHS = (PATH, "/backtests/optimize")
STUDY_BYTES_MAX = 256_000
LISTED = 50
NUMBERS = range(1, 2**63)
DIGITS_MAX = 19

EXAMPLE = {
    "name": "night-search",
    "data_file": "data/sample_arbitrage_prices.csv",
    "fixed": {
        "taker_fee_a_bps": 5,
        "taker_fee_b_bps": 5,
        "slippage_bps": 3,
        "max_position_usd": 1000,
        "exit_model": "quoted",
    },
    "space": {
        "min_spread_bps": {"type": "float", "low": 2, "high": 120, "step": 1},
        "max_open_trades": {"type": "int", "low": 1, "high": 6},
    },
    "sampler": "random",
    "budget": {"trials": 64},
}
STUDY_SCHEMA = {
    "type": "object",
    "required": ["space"],
    "description": "The keys of a study file (docs/reference/studies.md).",
}
ASKED_SCHEMA = {
    "oneOf": [
        STUDY_SCHEMA,
        {
            "type": "object",
            "required": ["study"],
            "additionalProperties": False,
            "properties": {
                "study": STUDY_SCHEMA,
                "priority": {"type": "integer", "minimum": 0, "maximum": 9, "default": 0},
            },
        },
    ]
}
ASKED = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": ASKED_SCHEMA,
                "example": {"study": EXAMPLE, "priority": 5},
            }
        },
    }
}
LIMIT = {
    "parameters": [
        {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": SHOWN_MAX, "default": LISTED},
        }
    ]
}
NUMBER = {
    "parameters": [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    ]
}


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    async def hand_in(request: Request) -> JSONResponse:
        media_of(request, ["application/json"])
        body = await body_of(request, STUDY_BYTES_MAX, "a study is smaller than that")
        study, priority = read_study(body)
        taken = await _asked(_desk(service).submit, study, priority)
        headers = {"location": f"{PATH}/{taken['id']}"}
        return JSONResponse(taken, HTTPStatus.ACCEPTED, headers)

    async def listed(request: Request) -> JSONResponse:
        limit = _number(request.query_params.get("limit", str(LISTED)))
        if limit is None or limit > SHOWN_MAX:
            reason = f"limit must be a whole number from 1 to {SHOWN_MAX}"
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, reason)
        return JSONResponse(await _asked(_desk(service).listed, limit))

    async def shown(request: Request) -> JSONResponse:
        return JSONResponse(await _asked(_desk(service).shown, _named(request)))

    async def cancel(request: Request) -> JSONResponse:
        found = await _asked(_desk(service).cancel, _named(request))
        ended = found["state"] != "running"
        return JSONResponse(found, HTTPStatus.OK if ended else HTTPStatus.ACCEPTED)

    told: list[tuple[str, Callable[..., Any], str, str, dict[str, Any]]] = [
        ("POST", hand_in, "", "Hand in a study; the service runs it when its turn comes.", ASKED),
        ("GET", listed, "", "The studies that were handed in, the newest first.", LIMIT),
        ("GET", shown, "/{id}", "How one stands, and what was found.", NUMBER),
        ("DELETE", cancel, "/{id}", "Have one end; what is finished is kept.", NUMBER),
    ]
    for path in PATHS:
        for method, answer, below, summary, more in told:
            app.add_api_route(
                path + below,
                answer,
                methods=[method],
                status_code=HTTPStatus.ACCEPTED if method == "POST" else HTTPStatus.OK,
                summary=summary,
                openapi_extra=more,
                include_in_schema=path == PATH,
            )


def _desk(service: Service) -> Desk:
    if service.desk is None:
        hint = "ask a service that was started by `daemon run`"
        raise Refusal(HTTPStatus.CONFLICT, "nobody runs studies here", hint)
    return service.desk


async def _asked(ask: Callable[..., dict[str, Any]], *asked: Any) -> dict[str, Any]:
    """Ask beside the loop that answers: a database may take its time."""
    try:
        return await run_in_threadpool(ask, *asked)
    except (Refused, ConfigError) as error:
        raise refusal(error.problems) from None
    except Crowded as error:
        raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, error.message, error.hint) from None
    except Unknown as error:
        raise Refusal(HTTPStatus.NOT_FOUND, error.message, error.hint) from None
    except StoreError:
        reason, hint = "the database is away", "send it again in a moment"
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, reason, hint) from None


def _named(request: Request) -> int:
    """Read the number of a submission; what is none has none."""
    found = _number(request.path_params["id"])
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "a submission is named by its number")
    return found


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX):
        return None
    return int(text) if int(text) in NUMBERS else None
