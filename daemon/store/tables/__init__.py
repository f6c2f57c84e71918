"""Every table, as SQLAlchemy sees it; `migrations/` builds the same, and a test holds both alike.

Names ending in ``_us`` are moments in microseconds since 1970 (UTC), in ``_s``
durations in seconds. The views in `daemon/store/views` show moments as ISO text.
"""

from daemon.store.tables.base import metadata
from daemon.store.tables.history import (
    chains,
    change_events,
    decision_repeats,
    decisions,
    events,
    rule_history,
)
from daemon.store.tables.ledgers import evidence, freezes, imported_lines, risk_ledger
from daemon.store.tables.service import (
    alerts,
    chores,
    commands,
    lease,
    memory,
    signal_states,
    source_marks,
)
from daemon.store.tables.signals import sample_faults, sample_rollups, samples, signals
from daemon.store.tables.studies import (
    studies,
    study_folds,
    study_parts,
    study_triggers,
    trial_results,
    trials,
)
from daemon.store.tables.submissions import submissions
from daemon.store.tables.sweeps import (
    job_blocks,
    jobs,
    rankings,
    result_blocks,
    results,
    session_runners,
    sessions,
)
from daemon.store.tables.tuning import calibrations, changes, deltas, policies, proposals, rules

CHAINED = (decisions, change_events, rule_history, events)
"""Streams of history whose rows are linked by hash."""

APPEND_ONLY = (*CHAINED, deltas, policies, calibrations, risk_ledger, evidence)
"""Tables whose rows the database itself refuses to change or remove."""

__all__ = [
    "APPEND_ONLY",
    "CHAINED",
    "alerts",
    "calibrations",
    "chains",
    "change_events",
    "changes",
    "chores",
    "commands",
    "decision_repeats",
    "decisions",
    "deltas",
    "events",
    "evidence",
    "freezes",
    "imported_lines",
    "job_blocks",
    "jobs",
    "lease",
    "memory",
    "metadata",
    "policies",
    "proposals",
    "rankings",
    "result_blocks",
    "results",
    "risk_ledger",
    "rule_history",
    "rules",
    "sample_faults",
    "sample_rollups",
    "samples",
    "session_runners",
    "sessions",
    "signal_states",
    "signals",
    "source_marks",
    "studies",
    "study_folds",
    "study_parts",
    "study_triggers",
    "submissions",
    "trial_results",
    "trials",
]
