"""What was seen: signals, their samples, rollups of them, and what was refused."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Text, UniqueConstraint, text

from daemon.store.tables.base import finite, moment, one_of, table
from daemon.store.types import Count, Micros, Real

signals = table(
    "signals",
    Column("id", Count, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text),
    Column("description", Text),
    Column("source", Text),
    Column("period_s", Real),
    Column("created_at_us", Micros, nullable=False),
    Column("rolled_until_us", Micros, nullable=False, server_default=text("0")),
    Column("pruned_until_us", Micros, nullable=False, server_default=text("0")),
    UniqueConstraint("name"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("period_s > 0 AND period_s < 1e9", name="period_s_range"),
    moment("created_at_us"),
)

# No foreign key: it would cost a quarter of the ingest rate. The ids come from
# `signals` in the same transaction, and `daemon db check` looks for orphans.
samples = table(
    "samples",
    Column("signal_id", Count, primary_key=True, autoincrement=False),
    Column("at_us", Micros, primary_key=True, autoincrement=False),
    Column("value", Real, nullable=False),
    finite("value"),
    moment("at_us"),
    clustered=True,
)

sample_rollups = table(
    "sample_rollups",
    Column("signal_id", Count, primary_key=True, autoincrement=False),
    Column("res_s", Count, primary_key=True, autoincrement=False),
    Column("bucket_us", Micros, primary_key=True, autoincrement=False),
    Column("n", Count, nullable=False),
    Column("mean", Real, nullable=False),
    Column("m2", Real, nullable=False),
    Column("lo", Real, nullable=False),
    Column("hi", Real, nullable=False),
    CheckConstraint("n > 0", name="n_positive"),
    CheckConstraint("res_s > 0", name="res_s_positive"),
    CheckConstraint("lo <= hi", name="lo_hi"),
    clustered=True,
)

FAULTS = ("duplicate", "not_finite", "future", "too_old", "late", "unreadable", "unit_jump")
"""Why a sample was refused; `unreadable` and `unit_jump` are judged before it gets here."""

sample_faults = table(
    "sample_faults",
    Column("signal_id", Count, primary_key=True, autoincrement=False),
    Column("bucket_us", Micros, primary_key=True, autoincrement=False),
    Column("fault", Text, primary_key=True),
    Column("n", Count, nullable=False),
    one_of("fault", FAULTS),
    CheckConstraint("n > 0", name="n_positive"),
    clustered=True,
)
