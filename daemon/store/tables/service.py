"""What the running service keeps: who leads, what was asked of it, what it knows and has told."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, UniqueConstraint, text

from daemon.store.tables.base import json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros, Real
from daemon.tuning.vocabulary import Mode, Severity

COMMAND_STATES = ("pending", "running", "done", "refused", "failed", "expired")
CHORE_STATUSES = ("running", "done", "failed", "killed", "missed", "abandoned")
ALERT_STATES = ("pending", "sent", "failed", "muted")

UNRESOLVED = "resolved_at_us IS NULL"
"""When an alert is still true: the same words in index and queries, so that it is used."""

# One row a role. Who holds it may write; `epoch` rises with every holder, `beat`
# with every transaction, so that others see that it lives without comparing clocks.
lease = table(
    "lease",
    Column("name", Text, primary_key=True),
    Column("epoch", Count, nullable=False),
    Column("holder", Text, nullable=False),
    Column("beat", Count, nullable=False),
    Column("ttl_s", Real, nullable=False),
    Column("since_us", Micros, nullable=False),
    Column("beat_at_us", Micros, nullable=False),
    Column("released_at_us", Micros),
    Column("about", Json, nullable=False),
    CheckConstraint("epoch > 0", name="epoch_positive"),
    CheckConstraint("beat >= 0", name="beat_counted"),
    CheckConstraint("ttl_s > 0 AND ttl_s < 1e9", name="ttl_s_range"),
    CheckConstraint("length(holder) BETWEEN 1 AND 200", name="holder_length"),
    moment("since_us"),
    moment("beat_at_us"),
    *json_checks("about"),
)

commands = table(
    "commands",
    Column("id", Count, primary_key=True),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("args", Json, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("at_us", Micros, nullable=False),
    Column("expires_at_us", Micros),
    Column("state", Text, nullable=False),
    Column("result", Json),
    Column("exit_code", Count),
    Column("epoch", Count),
    Column("done_at_us", Micros),
    UniqueConstraint("key"),
    Index("ix_commands_state_id", "state", "id"),
    one_of("state", COMMAND_STATES),
    CheckConstraint("length(key) BETWEEN 1 AND 200", name="key_length"),
    CheckConstraint("length(kind) BETWEEN 1 AND 64", name="kind_length"),
    CheckConstraint("length(actor) BETWEEN 1 AND 200", name="actor_length"),
    CheckConstraint("exit_code BETWEEN 0 AND 255", name="exit_code_range"),
    CheckConstraint("state <> 'running' OR epoch IS NOT NULL", name="taken_by"),
    CheckConstraint("(state IN ('pending', 'running')) = (done_at_us IS NULL)", name="finished"),
    CheckConstraint("(done_at_us IS NULL) = (exit_code IS NULL)", name="answered"),
    moment("at_us"),
    *json_checks("args", "result"),
)

# What the core knows now, rewritten in place; what it knew once stands in `events`.
memory = table(
    "memory",
    Column("id", Count, primary_key=True, autoincrement=False),
    Column("at_us", Micros, nullable=False),
    Column("block", Count, nullable=False),
    Column("policy", Text),
    Column("mode", Text, nullable=False),
    Column("epoch", Count, nullable=False),
    Column("state", Json, nullable=False),
    CheckConstraint("id = 1", name="only_one"),
    one_of("mode", Mode),
    moment("at_us"),
    *json_checks("state"),
)

source_marks = table(
    "source_marks",
    Column("source", Text, primary_key=True),
    Column("mark", Json, nullable=False),
    Column("at_us", Micros, nullable=False),
    CheckConstraint("length(source) BETWEEN 1 AND 200", name="source_length"),
    moment("at_us"),
    *json_checks("mark"),
)

signal_states = table(
    "signal_states",
    Column("signal_id", Count, ForeignKey("signals.id"), primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("since_us", Micros, nullable=False),
    Column("detail", Text),
    CheckConstraint("length(state) BETWEEN 1 AND 64", name="state_length"),
    moment("since_us"),
)

alerts = table(
    "alerts",
    Column("id", Count, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("body", Json),
    Column("state", Text, nullable=False),
    Column("times", Count, nullable=False, server_default=text("1")),
    Column("last_at_us", Micros, nullable=False),
    Column("attempts", Count, nullable=False, server_default=text("0")),
    Column("next_at_us", Micros),
    Column("sent_at_us", Micros),
    Column("resolved_at_us", Micros),
    Column("error", Text),
    Index(
        "uq_alerts_one_unresolved",
        "kind",
        "key",
        unique=True,
        sqlite_where=text(UNRESOLVED),
        postgresql_where=text(UNRESOLVED),
    ),
    Index("ix_alerts_state_next_at_us", "state", "next_at_us"),
    one_of("severity", Severity),
    one_of("state", ALERT_STATES),
    CheckConstraint("length(kind) BETWEEN 1 AND 64", name="kind_length"),
    CheckConstraint("length(key) BETWEEN 1 AND 200", name="key_length"),
    CheckConstraint("times > 0", name="times_positive"),
    CheckConstraint("attempts >= 0", name="attempts_counted"),
    CheckConstraint("(state = 'pending') = (next_at_us IS NOT NULL)", name="due"),
    moment("at_us"),
    moment("last_at_us"),
    *json_checks("body"),
)

chores = table(
    "chores",
    Column("name", Text, primary_key=True),
    Column("last_started_us", Micros),
    Column("last_ended_us", Micros),
    Column("last_status", Text),
    Column("last_due_us", Micros),
    Column("next_due_us", Micros),
    Column("detail", Json),
    CheckConstraint("length(name) BETWEEN 1 AND 64", name="name_length"),
    one_of("last_status", CHORE_STATUSES),
    *json_checks("detail"),
)
