"""What would be undone by which command: read from the rows, before anything is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.store import rules
from daemon.tuning.vocabulary import OPEN_STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.store import Tx


def way_back(view: Tx, change: Mapping[str, Any]) -> str | None:
    """Give the command that undoes a change; None where there is nothing to undo."""
    if change["state"] in OPEN_STATES:
        return f"daemon ctl rollback {change['id']}"
    if change["state"] != "kept":
        return None
    stands = rules.values(view).get(change["rule"])
    if stands is not None and stands.change_id == change["id"]:
        return f"daemon ctl rollback {change['id']}"
    return f"daemon ctl rollback --rule {change['rule']} --to {exact(change['old'])}"


def exact(value: float) -> str:
    """Write a value so that it can be typed again to the last bit."""
    return repr(float(value)).removesuffix(".0")
