"""River 2: sessions, their jobs, results keyed by content, and rankings."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.schema import ForeignKeyConstraint

from daemon.store.tables.base import json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros, Real

SESSION_STATES = ("planned", "running", "done", "failed", "cancelled")
JOB_STATES = ("pending", "running", "done", "failed", "cancelled")
RESULT_STATUSES = ("success", "error")

sessions = table(
    "sessions",
    Column("id", Count, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("spec", Json, nullable=False),
    Column("data_file", Text, nullable=False),
    Column("data_digest", Text),
    Column("engine_version", Text),
    Column("jobs_total", Count, nullable=False),
    Column("jobs_done", Count, nullable=False, server_default=text("0")),
    Column("jobs_failed", Count, nullable=False, server_default=text("0")),
    Column("created_at_us", Micros, nullable=False),
    Column("started_at_us", Micros),
    Column("finished_at_us", Micros),
    Column("note", Text),
    Index("ix_sessions_state_id", "state", "id"),
    Index("ix_sessions_name_id", "name", "id"),
    one_of("state", SESSION_STATES),
    CheckConstraint("jobs_done + jobs_failed <= jobs_total", name="job_counts"),
    moment("created_at_us"),
    *json_checks("spec"),
)

# Keyed by content (engine version, data digest, canonical parameters): the same
# backtest is never run twice, whichever session asks for it.
results = table(
    "results",
    Column("key", Text, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", Text),
    Column("total_trades", Count),
    Column("closed_trades", Count),
    Column("open_trades", Count),
    Column("final_balance_usd", Real),
    Column("realized_pnl_usd", Real),
    Column("max_drawdown_pct", Real),
    Column("win_rate", Real),
    Column("avg_pnl_per_trade_usd", Real),
    Column("runtime_seconds", Real),
    Column("metrics", Json),
    Index("ix_results_data_digest", "data_digest"),
    one_of("status", RESULT_STATUSES),
    CheckConstraint("(status = 'error') = (error IS NOT NULL)", name="error_named"),
    moment("at_us"),
    *json_checks("params", "metrics"),
)

jobs = table(
    "jobs",
    Column("session_id", Count, ForeignKey("sessions.id"), primary_key=True, autoincrement=False),
    Column("n", Count, primary_key=True, autoincrement=False),
    Column("job_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("output_json", Text),
    Column("attempts", Count, nullable=False, server_default=text("0")),
    Column("result_key", Text, ForeignKey("results.key")),
    UniqueConstraint("session_id", "job_id"),
    Index("ix_jobs_session_id_state", "session_id", "state"),
    Index("ix_jobs_result_key", "result_key"),
    one_of("state", JOB_STATES),
    CheckConstraint("n > 0", name="n_positive"),
    *json_checks("params"),
)

rankings = table(
    "rankings",
    Column("session_id", Count, ForeignKey("sessions.id"), primary_key=True, autoincrement=False),
    Column("rank", Count, primary_key=True, autoincrement=False),
    Column("n", Count, nullable=False),
    Column("tied_with", Count),
    Column("robust_rank", Count),
    Column("robust_score", Real),
    Column("at_us", Micros, nullable=False),
    ForeignKeyConstraint(["session_id", "n"], ["jobs.session_id", "jobs.n"]),
    UniqueConstraint("session_id", "n"),
    CheckConstraint("rank > 0", name="rank_positive"),
    moment("at_us"),
)
