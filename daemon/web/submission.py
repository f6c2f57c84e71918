"""A study as somebody sends it, read from JSON; and what is wrong with one, in JSON."""

from __future__ import annotations

import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from daemon.log import printable
from daemon.services.submitting.desk import PRIORITIES
from daemon.web.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.errors import Problem

SHOWN_MAX = 120
NOTHING = r"\u0000"
WRAPPER = frozenset({"study", "priority"})
SHAPE = 'send the keys of a study file as JSON, or {"study": {...}, "priority": 0 to 9}'
SESSIONS = "run it with: daemon session run FILE; a study of sampler grid tries all cells as well"


def read_study(body: bytes) -> tuple[dict[str, Any], int]:
    """Read a study and its priority.

    Raises:
        Refusal: it is none; whether a study holds is judged elsewhere.
    """
    value = _parsed(body)
    if not isinstance(value, dict):
        raise _unreadable("must be a JSON object")
    if "session" in value and "space" not in value:
        reason = "sessions are not run from here"
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, reason, SESSIONS)
    if "study" not in value:
        return value, 0
    if unknown := sorted(set(value) - WRAPPER):
        raise _unreadable(f"has a key beside `study` that means nothing: {_shown(unknown[0])}")
    study, priority = value["study"], value.get("priority", 0)
    if not isinstance(study, dict):
        raise _unreadable("must have a JSON object under `study`")
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in PRIORITIES:
        raise _unreadable(
            f"must have a whole number from 0 to 9 under `priority`, not {priority!r}"
        )
    return study, priority


def refusal(problems: Sequence[Problem]) -> Refusal:
    """Say everything that is wrong with a study."""
    told = [{"key": one.key, "reason": one.reason, "hint": one.hint} for one in problems]
    count = "1 problem" if len(told) == 1 else f"{len(told)} problems"
    reason = f"{count} in the study; nothing was taken"
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, reason, "repair them and send it again", told)


def _parsed(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_number
        )
        kept = json.dumps(value, ensure_ascii=False)
        kept.encode()  # half of a surrogate pair is no character
    except UnicodeDecodeError as error:
        raise _unreadable(f"is not UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise _unreadable("has half of a character in it") from None
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise _unreadable(f"is not JSON: {_shown(reason)}") from None
    if NOTHING in kept:
        raise _unreadable("has a zero byte in it, which no database keeps")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that is written twice: one of its values would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is written twice")
    return found


def _finite(word: str) -> float:
    found = float(word)
    return found if math.isfinite(found) else _no_number(word)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


def _unreadable(reason: str) -> Refusal:
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"the body {reason}", SHAPE)


def _shown(text: str) -> str:
    found = printable(text)
    return found[:SHOWN_MAX] + ("…" if len(found) > SHOWN_MAX else "")
