"""The words of river 1: what a change can be, what a decision can say, what a verdict can find.

The database holds the same words in its constraints; a test keeps both alike.
"""

from __future__ import annotations

from enum import StrEnum


class ChangeState(StrEnum):
    """Where a change stands in its protocol."""

    PROPOSED = "proposed"
    REJECTED = "rejected"
    DRY_RUN = "dry_run"
    APPLYING = "applying"
    OBSERVING = "observing"
    KEPT = "kept"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    STUCK = "stuck"
    SUPERSEDED = "superseded"
    INCONSISTENT = "inconsistent"


OPEN_STATES = frozenset(
    {
        ChangeState.APPLYING,
        ChangeState.OBSERVING,
        ChangeState.ROLLING_BACK,
        ChangeState.STUCK,
    }
)
"""States in which a change holds its rule: at most one change per rule is in one of them."""

TERMINAL_STATES = frozenset(ChangeState) - OPEN_STATES - {ChangeState.PROPOSED}
"""States that a change never leaves."""

TRANSITIONS: dict[ChangeState, frozenset[ChangeState]] = {
    ChangeState.PROPOSED: frozenset(
        {ChangeState.REJECTED, ChangeState.DRY_RUN, ChangeState.APPLYING}
    ),
    ChangeState.APPLYING: frozenset(
        {
            ChangeState.OBSERVING,
            ChangeState.FAILED,
            ChangeState.ROLLING_BACK,
            ChangeState.SUPERSEDED,
            ChangeState.INCONSISTENT,
        }
    ),
    ChangeState.OBSERVING: frozenset(
        {
            ChangeState.KEPT,
            ChangeState.ROLLING_BACK,
            ChangeState.SUPERSEDED,
            ChangeState.INCONSISTENT,
        }
    ),
    ChangeState.ROLLING_BACK: frozenset(
        {
            ChangeState.ROLLED_BACK,
            ChangeState.STUCK,
            ChangeState.SUPERSEDED,
            ChangeState.INCONSISTENT,
        }
    ),
    ChangeState.STUCK: frozenset(
        {ChangeState.ROLLING_BACK, ChangeState.SUPERSEDED, ChangeState.INCONSISTENT}
    ),
    **dict.fromkeys(TERMINAL_STATES, frozenset[ChangeState]()),
}
"""What may follow what; nothing follows a terminal state."""


class DecisionKind(StrEnum):
    """What a cycle came to."""

    HOLD = "hold"
    PROPOSE = "propose"
    APPLY = "apply"
    KEEP = "keep"
    ROLLBACK = "rollback"
    EXTEND = "extend"
    REVERT = "revert"
    COMMAND = "command"


class Mode(StrEnum):
    """Which adapters a decision was made with."""

    LIVE = "live"
    DRY_RUN = "dry_run"
    REPLAY = "replay"


class Verdict(StrEnum):
    """What the evidence says of a change."""

    BETTER = "better"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Severity(StrEnum):
    """How bad an entry of the risk ledger is."""

    INFO = "info"
    WARN = "warn"
    CRIT = "crit"
