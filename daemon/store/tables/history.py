"""What was decided and done: streams of history, append-only and linked by hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, text

from daemon.store.tables.base import finite, json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros, Real
from daemon.tuning.vocabulary import TERMINAL_STATES, ChangeState, DecisionKind, Mode

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem

HASH_LENGTH = 64
"""A SHA-256 in hexadecimal."""


def _links() -> list[SchemaItem]:
    """Declare the two columns that chain a row to the one before it."""
    return [
        Column("prev_hash", Text, nullable=False),
        Column("hash", Text, nullable=False, unique=True),
        CheckConstraint(f"length(hash) = {HASH_LENGTH}", name="hash_length"),
        CheckConstraint(f"length(prev_hash) = {HASH_LENGTH}", name="prev_hash_length"),
    ]


def _seq() -> Column[int]:
    """Declare the place in the stream: dense, from 1."""
    return Column("seq", Count, primary_key=True, autoincrement=False)


chains = table(
    "chains",
    Column("stream", Text, primary_key=True),
    Column("seq", Count, nullable=False),
    Column("hash", Text, nullable=False),
)

decisions = table(
    "decisions",
    _seq(),
    Column("at_us", Micros, nullable=False),
    Column("epoch", Count, nullable=False, server_default=text("0")),
    Column("mode", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text),
    Column("old", Real),
    Column("new", Real),
    Column("reason", Text, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("policy", Text),
    Column("change_id", Count),
    Column("evidence", Json),
    *_links(),
    Index("ix_decisions_at_us", "at_us"),
    Index("ix_decisions_rule_seq", "rule", "seq"),
    Index("ix_decisions_kind_seq", "kind", "seq"),
    Index("ix_decisions_change_id", "change_id"),
    one_of("mode", Mode),
    one_of("kind", DecisionKind),
    CheckConstraint("length(reason) BETWEEN 1 AND 64", name="reason_length"),
    finite("old"),
    finite("new"),
    moment("at_us"),
    *json_checks("evidence"),
)

# A cycle that came to the same reason again is counted here, not repeated there.
decision_repeats = table(
    "decision_repeats",
    Column("seq", Count, ForeignKey("decisions.seq"), primary_key=True, autoincrement=False),
    Column("n", Count, nullable=False),
    Column("last_at_us", Micros, nullable=False),
    CheckConstraint("n > 0", name="n_positive"),
    moment("last_at_us"),
)

_terminal = ", ".join(f"'{state}'" for state in sorted(TERMINAL_STATES))

change_events = table(
    "change_events",
    _seq(),
    Column("change_id", Count, ForeignKey("changes.id"), nullable=False),
    Column("at_us", Micros, nullable=False),
    Column("boot_id", Text),
    Column("elapsed_us", Micros),
    Column("epoch", Count, nullable=False, server_default=text("0")),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Json),
    *_links(),
    Index("ix_change_events_change_id_seq", "change_id", "seq"),
    Index(
        "uq_change_events_one_end",
        "change_id",
        unique=True,
        sqlite_where=text(f"to_state IN ({_terminal})"),
        postgresql_where=text(f"to_state IN ({_terminal})"),
    ),
    one_of("from_state", ChangeState),
    one_of("to_state", ChangeState),
    moment("at_us"),
    *json_checks("body"),
)

rule_history = table(
    "rule_history",
    _seq(),
    Column("at_us", Micros, nullable=False),
    Column("epoch", Count, nullable=False, server_default=text("0")),
    Column("rule", Text, nullable=False),
    Column("old", Real),
    Column("new", Real, nullable=False),
    Column("actor", Text, nullable=False),
    Column("note", Text),
    Column("change_id", Count),
    *_links(),
    Index("ix_rule_history_rule_seq", "rule", "seq"),
    Index("ix_rule_history_change_id", "change_id"),
    finite("old"),
    finite("new"),
    moment("at_us"),
)

events = table(
    "events",
    _seq(),
    Column("at_us", Micros, nullable=False),
    Column("epoch", Count, nullable=False, server_default=text("0")),
    Column("kind", Text, nullable=False),
    Column("ref", Text),
    Column("body", Json),
    *_links(),
    Index("ix_events_kind_seq", "kind", "seq"),
    CheckConstraint("length(kind) BETWEEN 1 AND 64", name="kind_length"),
    moment("at_us"),
    *json_checks("body"),
)
