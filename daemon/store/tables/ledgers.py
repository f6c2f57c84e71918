"""What people and watchers wrote down: freezes, risks, evidence, and where imported lines went."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Text, text

from daemon.store.tables.base import json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros, Real
from daemon.tuning.vocabulary import Severity

FREEZE_KINDS = ("freeze", "pause", "kill")

# A pause and a kill are freezes of a person who said so in a word; a kill stands
# for everything. All of them survive a restart. A freeze with a cron expression recurs:
# starts_at_us and ends_at_us then hold its current or next occurrence, and the
# daemon moves them on.
freezes = table(
    "freezes",
    Column("id", Count, primary_key=True),
    Column("rule", Text),
    Column("starts_at_us", Micros, nullable=False),
    Column("ends_at_us", Micros),
    Column("cron", Text),
    Column("duration_s", Real),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at_us", Micros, nullable=False),
    Column("removed_at_us", Micros),
    Column("removed_by", Text),
    Column("kind", Text, nullable=False, server_default=text("'freeze'")),
    Index("ix_freezes_removed_at_us_rule", "removed_at_us", "rule"),
    CheckConstraint("ends_at_us IS NULL OR ends_at_us > starts_at_us", name="order"),
    CheckConstraint("(cron IS NULL) = (duration_s IS NULL)", name="recurrence"),
    CheckConstraint("kind <> 'kill' OR rule IS NULL", name="kill_of_all"),
    one_of("kind", FREEZE_KINDS),
    moment("starts_at_us"),
)

risk_ledger = table(
    "risk_ledger",
    Column("id", Count, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("severity", Text, nullable=False),
    Column("rule", Text),
    Column("signal", Json),
    Column("note", Text),
    Index("ix_risk_ledger_severity_id", "severity", "id"),
    one_of("severity", Severity),
    moment("at_us"),
    *json_checks("signal"),
)

evidence = table(
    "evidence",
    Column("id", Count, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("author", Text, nullable=False),
    Column("rule", Text),
    Column("delta", Json),
    Column("confidence", Real),
    Column("quote", Text),
    Index("ix_evidence_rule_id", "rule", "id"),
    moment("at_us"),
    *json_checks("delta"),
)

# Which line of which kind of legacy file became which row: what makes a second
# import a no-op, and where fields that no column takes are kept.
imported_lines = table(
    "imported_lines",
    Column("line_key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("ref", Count, nullable=False),
    Column("extra", Json),
    Column("imported_at_us", Micros, nullable=False),
    Index("ix_imported_lines_kind_ref", "kind", "ref"),
    CheckConstraint("length(line_key) = 64", name="line_key_length"),
    moment("imported_at_us"),
    *json_checks("extra"),
    clustered=True,
)
