"""A plan in a file: made here, read by a colleague, carried out there, or refused as stale."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.errors import DaemonError, Exit, InputError
from daemon.services.loop.switchboard import same
from daemon.store import rules

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daemon.store.store import Tx

SCHEMA = "daemon.plan/1"
ANEW = "make a new one: daemon ctl dry-run --out FILE"


class StalePlan(DaemonError):  # noqa: N818 - a state, not a fault
    """What a plan rests on is not so any more."""

    exit_code = Exit.TRY_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a file says should be done, and what that rests on."""

    policy: str
    base: Mapping[str, float]
    changes: Mapping[str, int | None]
    moves: Mapping[str, float]
    proposal: int | None


def write(path: Path, plan: Mapping[str, Any]) -> None:
    """Write a plan; a file that is there is replaced."""
    body = {"schema": SCHEMA, **plan}
    body = json.loads(json.dumps(body))  # what is hashed is what is read back
    text = json.dumps({**body, "checksum": _checksum(body)}, ensure_ascii=False, indent=2)
    path.write_text(f"{text}\n", encoding="utf-8")


def read(path: Path) -> Planned:
    """Read a plan.

    Raises:
        InputError: it is no plan.
        StalePlan: it was altered after it was made.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a plan: {error}", hint=ANEW) from error
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise InputError(f"{path} is no plan of this version ({SCHEMA})", hint=ANEW)
    told = body.pop("checksum", None)
    if told != _checksum(body):
        raise StalePlan(f"{path} was altered after it was made", hint=ANEW)
    return Planned(
        policy=body["policy"],
        base=body["base"],
        changes=body["changes"],
        moves={move["rule"]: move["new"] for move in body["moves"]},
        proposal=body["proposal"],
    )


def require_fresh(view: Tx, planned: Planned, digest: str) -> None:
    """Refuse a plan that rests on what is not so any more.

    Raises:
        StalePlan: the policy, a value, or the change that set it is another one.
    """
    if planned.policy != digest:
        raise StalePlan(
            f"the plan was made under the policy {planned.policy[:12]}, and {digest[:12]} holds",
            hint=ANEW,
        )
    stands = rules.values(view)
    for rule, value in planned.base.items():
        row = stands.get(rule)
        if row is not None and not same(row.value, value):
            raise StalePlan(
                f"the plan rests on {rule} at {value:.6g}, and it is {row.value:.6g} now", hint=ANEW
            )
        if row is not None and row.change_id != planned.changes.get(rule):
            raise StalePlan(
                f"{rule} was moved and moved back by change {row.change_id} since the plan was"
                " made",
                hint=ANEW,
            )


def _checksum(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
