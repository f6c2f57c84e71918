"""River 2: sessions, their jobs, results keyed by content, and rankings."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import ForeignKeyConstraint

from daemon.store.tables.base import json_checks, moment, one_of, table
from daemon.store.types import Count, Json, Micros, Real

SESSION_STATES = ("planned", "running", "stopped", "done", "failed", "cancelled")
JOB_STATES = ("pending", "running", "done", "failed", "cancelled")
RESULT_STATUSES = ("success", "error")
LAYOUTS = ("rows", "blocks")
ENCODINGS = ("npz",)

# `identity` is of the name, the plan, the data and the engine: who asks the same
# again finds the same row. `layout` says where the results of its jobs stand.
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
    Column("identity", Text),
    Column("plan_digest", Text),
    Column("space_digest", Text),
    Column("data_rows", Count),
    Column("cells", Count),
    Column("layout", Text, nullable=False, server_default=text("'rows'")),
    Column("jobs_evaluated", Count, nullable=False, server_default=text("0")),
    Column("jobs_per_s", Real),
    Column("eta_at_us", Micros),
    Column("heartbeat_at_us", Micros),
    Column("runner", Text),
    Column("cancel_requested_at_us", Micros),
    Column("ranked_at_us", Micros),
    Column("report", Json),
    Index("uq_sessions_identity", "identity", unique=True),
    Index("ix_sessions_state_id", "state", "id"),
    Index("ix_sessions_name_id", "name", "id"),
    Index("ix_sessions_data_digest", "data_digest"),
    one_of("state", SESSION_STATES),
    one_of("layout", LAYOUTS),
    CheckConstraint("jobs_done + jobs_failed <= jobs_total", name="job_counts"),
    CheckConstraint("length(identity) = 64", name="identity_length"),
    CheckConstraint("jobs_evaluated >= 0", name="jobs_evaluated_counted"),
    moment("created_at_us"),
    *json_checks("spec", "report"),
)

# Who works on a session: one row a share of it, one share where it is not divided.
session_runners = table(
    "session_runners",
    Column("session_id", Count, ForeignKey("sessions.id"), primary_key=True, autoincrement=False),
    Column("shard", Count, primary_key=True, autoincrement=False),
    Column("shards", Count, primary_key=True, autoincrement=False),
    Column("runner", Text, nullable=False),
    Column("started_at_us", Micros, nullable=False),
    Column("heartbeat_at_us", Micros, nullable=False),
    Column("ended_at_us", Micros),
    Column("jobs_per_s", Real),
    CheckConstraint("shard >= 0 AND shard < shards", name="shard_of"),
    CheckConstraint("length(runner) BETWEEN 1 AND 200", name="runner_length"),
    moment("started_at_us"),
    moment("heartbeat_at_us"),
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

# Of a session with very many jobs the results stand in blocks: columns of thousands of
# jobs in one value, parameters beside metrics. Keyed by content, like `results`.
result_blocks = table(
    "result_blocks",
    Column("key", Text, primary_key=True),
    Column("at_us", Micros, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("jobs", Count, nullable=False),
    Column("failed", Count, nullable=False),
    Column("encoding", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("ix_result_blocks_data_digest", "data_digest"),
    one_of("encoding", ENCODINGS),
    CheckConstraint("jobs > 0", name="jobs_positive"),
    CheckConstraint("failed BETWEEN 0 AND jobs", name="failed_of"),
    moment("at_us"),
)

job_blocks = table(
    "job_blocks",
    Column("session_id", Count, ForeignKey("sessions.id"), primary_key=True, autoincrement=False),
    Column("first_n", Count, primary_key=True, autoincrement=False),
    Column("jobs", Count, nullable=False),
    Column("failed", Count, nullable=False),
    Column("block_key", Text, ForeignKey("result_blocks.key"), nullable=False),
    Index("ix_job_blocks_block_key", "block_key"),
    CheckConstraint("first_n > 0", name="first_n_positive"),
    CheckConstraint("jobs > 0", name="jobs_positive"),
    CheckConstraint("failed BETWEEN 0 AND jobs", name="failed_of"),
)

# `rank` is a place, and every place is taken once; equals share the place of their first
# in `tied_with`.
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
