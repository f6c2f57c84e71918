"""What may be moved and what became of moving it: policies, rules, proposals, changes, deltas."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, UniqueConstraint, text

from daemon.store.tables.base import finite, json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros, Real
from daemon.tuning.vocabulary import OPEN_STATES, TERMINAL_STATES, ChangeState, Verdict

ORIGINS = ("loop", "operator", "session", "study", "rl", "import")
PROPOSAL_STATES = ("pending", "approved", "rejected", "applied", "expired", "superseded", "dry_run")


def _listed(states: frozenset[ChangeState]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


IS_OPEN = f"state IN ({_listed(OPEN_STATES)})"
"""When a change holds its rule: the same words in index and queries, so that it is used."""

IS_UNSETTLED = f"state IN ({_listed(OPEN_STATES | {ChangeState.PROPOSED})})"
"""When a change has not ended."""

policies = table(
    "policies",
    Column("digest", Text, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("source", Text),
    Column("body", Json, nullable=False),
    CheckConstraint("length(digest) = 64", name="digest_length"),
    moment("at_us"),
    *json_checks("body"),
)

rules = table(
    "rules",
    Column("name", Text, primary_key=True),
    Column("value", Real, nullable=False),
    Column("init", Real, nullable=False),
    Column("min_value", Real, nullable=False),
    Column("max_value", Real, nullable=False),
    Column("step", Real, nullable=False),
    Column("weight", Real, nullable=False),
    Column("policy", Text, ForeignKey("policies.digest")),
    Column("change_id", Count),
    Column("changed_at_us", Micros),
    Column("cooldown_until_us", Micros),
    Column("foreign_at_us", Micros),
    Column("retired_at_us", Micros),
    CheckConstraint("length(name) BETWEEN 1 AND 64", name="name_length"),
    CheckConstraint("min_value <= max_value", name="bounds"),
    CheckConstraint("step > 0", name="step_positive"),
    finite("value"),
    finite("min_value"),
    finite("max_value"),
)

proposals = table(
    "proposals",
    Column("id", Count, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("base", Json, nullable=False),
    Column("target", Json, nullable=False),
    Column("expected", Json),
    Column("reason", Text),
    Column("session_id", Count),
    Column("decision_seq", Count),
    Column("expires_at_us", Micros),
    Column("decided_at_us", Micros),
    Column("decided_by", Text),
    Column("study_id", Count),
    Index("ix_proposals_state_id", "state", "id"),
    one_of("origin", ORIGINS),
    one_of("state", PROPOSAL_STATES),
    moment("at_us"),
    *json_checks("base", "target", "expected"),
)

changes = table(
    "changes",
    Column("id", Count, primary_key=True),
    Column("idempotency_key", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("old", Real, nullable=False),
    Column("new", Real, nullable=False),
    Column("state", Text, nullable=False),
    Column("epoch", Count, nullable=False, server_default=text("0")),
    Column("proposal_id", Count, ForeignKey("proposals.id")),
    Column("decision_seq", Count),
    Column("opened_at_us", Micros, nullable=False),
    Column("applied_at_us", Micros),
    Column("settled_at_us", Micros),
    Column("cause", Text),
    UniqueConstraint("idempotency_key"),
    Index(
        "uq_changes_one_open",
        "rule",
        unique=True,
        sqlite_where=text(IS_OPEN),
        postgresql_where=text(IS_OPEN),
    ),
    Index("ix_changes_rule_id", "rule", "id"),
    Index("ix_changes_state_id", "state", "id"),
    one_of("origin", ORIGINS),
    one_of("state", ChangeState),
    CheckConstraint(
        f"(state IN ({_listed(TERMINAL_STATES)})) = (settled_at_us IS NOT NULL)", name="settled"
    ),
    finite("old"),
    finite("new"),
    moment("opened_at_us"),
)

deltas = table(
    "deltas",
    Column("change_id", Count, ForeignKey("changes.id"), primary_key=True, autoincrement=False),
    Column("signal_id", Count, ForeignKey("signals.id"), primary_key=True, autoincrement=False),
    Column("trial", Count, primary_key=True, autoincrement=False),
    Column("at_us", Micros, nullable=False),
    Column("pre_s", Real),
    Column("pre_n", Count),
    Column("pre_mean", Real),
    Column("pre_var", Real),
    Column("post_s", Real),
    Column("post_n", Count),
    Column("post_mean", Real),
    Column("post_var", Real),
    Column("delta", Real),
    Column("ci_low", Real),
    Column("ci_high", Real),
    Column("verdict", Text, nullable=False),
    Column("cause", Text),
    Index("ix_deltas_signal_id", "signal_id"),
    one_of("verdict", Verdict),
    CheckConstraint("trial > 0", name="trial_positive"),
    finite("delta"),
    moment("at_us"),
    clustered=True,
)

CALIBRATED = ("green", "red")

# Not bound to `policies`: what is calibrated is often not in force yet.
calibrations = table(
    "calibrations",
    Column("id", Count, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("policy", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("from_us", Micros, nullable=False),
    Column("to_us", Micros, nullable=False),
    Column("quiet_s", Real, nullable=False),
    Column("placebos", Count, nullable=False),
    Column("false_keep", Real),
    Column("false_worse", Real),
    Column("reasons", Json, nullable=False),
    Column("warnings", Json, nullable=False),
    Column("signals", Json, nullable=False),
    Column("override_reason", Text),
    Column("override_by", Text),
    Index("ix_calibrations_policy_id", "policy", "id"),
    one_of("outcome", CALIBRATED),
    CheckConstraint("length(policy) = 64", name="policy_length"),
    CheckConstraint("from_us <= to_us", name="order"),
    CheckConstraint("quiet_s >= 0 AND quiet_s < 1e300", name="quiet_s_range"),
    CheckConstraint("placebos >= 0", name="placebos_counted"),
    CheckConstraint("false_keep BETWEEN 0 AND 1", name="false_keep_range"),
    CheckConstraint("false_worse BETWEEN 0 AND 1", name="false_worse_range"),
    CheckConstraint("(override_reason IS NULL) = (override_by IS NULL)", name="override_named"),
    CheckConstraint("length(override_reason) BETWEEN 1 AND 1000", name="override_reason_length"),
    moment("at_us"),
    moment("from_us"),
    moment("to_us"),
    *json_checks("reasons", "warnings", "signals"),
)
