"""Why: the codes that decisions carry, each with the words that a person reads.

A code is stable: scripts and dashboards match it. The words may improve.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a decision came out as it did."""

    # nothing to judge, nothing to do
    WARMING_UP = "warming_up"
    TARGETS_MET = "targets_met"
    NO_CANDIDATE = "no_candidate"
    NOTHING_HELPS = "nothing_helps"
    NOT_WORTH_IT = "not_worth_it"
    RESTING = "resting"
    WAITING = "waiting"
    # nothing may be done
    HELD = "held"
    BUDGET_SPENT = "budget_spent"
    SIGNAL_UNFIT = "signal_unfit"
    # a candidate was refused
    BARRED = "barred"
    COOLDOWN = "cooldown"
    BACKED_OFF = "backed_off"
    NO_GO = "no_go"
    AT_BOUND = "at_bound"
    TOO_RISKY = "too_risky"
    OUTBID = "outbid"
    # what a person asked for was refused
    TOO_FAR = "too_far"
    BUSY = "busy"
    STALE = "stale"
    NOTHING_OPEN = "nothing_open"
    # a change is made and watched
    BEST_EXPECTED = "best_expected"
    RETRY = "retry"
    ASKED = "asked"
    OBSERVING = "observing"
    MEASURING_REVERSAL = "measuring_reversal"
    MORE_SAMPLES = "more_samples"
    # a verdict
    IMPROVED = "improved"
    CONFIRMED = "confirmed"
    NOT_PROVEN = "not_proven"
    NO_EFFECT = "no_effect"
    TOO_SMALL = "too_small"
    SCORE_FELL = "score_fell"
    GUARD_BROKEN = "guard_broken"
    INSUFFICIENT_DATA = "insufficient_data"
    # the world moved
    SUPERSEDED = "superseded"
    POLICY_CHANGED = "policy_changed"
    REGIME_CHANGED = "regime_changed"
