"""How long a rule has rested since it was last moved, by whomever, whatever the clocks did.

The core remembers the rests that it knows of, in blocks. What a person moved, what
an earlier run moved whose memory is gone, and a wall clock that was set forth are
seen here: by the clock that never steps, within one start of the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.store import changes

if TYPE_CHECKING:
    from daemon.services.loop.journal import Stamp
    from daemon.store.store import Tx


class Rests:
    """Remembers of every rule since when it rests, as long as it is the same change."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[int, int]] = {}

    def is_resting(self, tx: Tx, rule: str, cooldown_us: int, stamp: Stamp) -> bool:
        """Tell whether the change that moved a rule last is younger than its cooldown."""
        change_id = changes.newest_of(tx, rule)
        if change_id is None or stamp.elapsed_us is None:
            return False
        known = self._since.get(rule)
        if known is None or known[0] != change_id:
            known = self._since[rule] = (change_id, _began(tx, change_id, stamp))
        return stamp.elapsed_us - known[1] < cooldown_us


def _began(tx: Tx, change_id: int, stamp: Stamp) -> int:
    """Say when a change was begun, on today's elapsed clock.

    Across a start of the machine only the wall clock tells; where that was set
    back the rest begins anew.
    """
    assert stamp.elapsed_us is not None  # noqa: S101 - the caller has looked
    intent = changes.intent_of(tx, change_id)
    if intent is None:
        return stamp.elapsed_us
    if intent.boot_id == stamp.boot_id and intent.elapsed_us is not None:
        return intent.elapsed_us
    return stamp.elapsed_us - max(stamp.at_us - intent.at_us, 0)
