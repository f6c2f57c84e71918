"""What a running session leaves behind: who works on it, how far it is, results in blocks.

Revision: 0009, after 0008
Rollout: before the new code.
"""

from typing import Any, cast

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATES_BEFORE = "state IN ('planned', 'running', 'done', 'failed', 'cancelled')"
STATES = "state IN ('planned', 'running', 'stopped', 'done', 'failed', 'cancelled')"
ADDED = {
    "layout_known": "layout IN ('rows', 'blocks')",
    "identity_length": "length(identity) = 64",
    "jobs_evaluated_counted": "jobs_evaluated >= 0",
}
ALWAYS = "BETWEEN 0 AND 253402300799999999"


def upgrade() -> None:
    _sessions()
    _session_runners()
    _result_blocks()
    _job_blocks()


def downgrade() -> None:
    for table in ("job_blocks", "result_blocks", "session_runners"):
        op.drop_table(table)
    _sessions_before()


# ── sessions ─────────────────────────────────────────────────────────────────
def _sessions() -> None:
    if ddl.dialect() == "sqlite":
        _remake(STATES, _more(), ADDED)
    else:
        for column in _more():
            op.add_column("sessions", column)
        _know(STATES)
        for check in _checks("sessions", ADDED):
            op.create_check_constraint(cast("str", check.name), "sessions", check.sqltext)
    op.create_index("uq_sessions_identity", "sessions", ["identity"], unique=True)
    op.create_index("ix_sessions_data_digest", "sessions", ["data_digest"], unique=False)


def _sessions_before() -> None:
    """Forget who worked on what; a session that was stopped is one that nobody has begun."""
    op.execute("UPDATE sessions SET state = 'planned' WHERE state = 'stopped'")
    for index in ("ix_sessions_data_digest", "uq_sessions_identity"):
        op.drop_index(index, table_name="sessions")
    if ddl.dialect() == "sqlite":
        _remake(STATES_BEFORE, [], {})
        return
    for name in ADDED:
        op.drop_constraint(op.f(f"ck_sessions_{name}"), "sessions", type_="check")
    _know(STATES_BEFORE)
    for column in _more():
        op.drop_column("sessions", column.name)


def _know(states: str) -> None:
    name = op.f("ck_sessions_state_known")
    op.drop_constraint(name, "sessions", type_="check")
    op.create_check_constraint(name, "sessions", states)


def _more() -> list[sa.Column[Any]]:
    rows, none = sa.text("'rows'"), sa.text("0")
    return [
        sa.Column("identity", sa.Text(), nullable=True),
        sa.Column("plan_digest", sa.Text(), nullable=True),
        sa.Column("space_digest", sa.Text(), nullable=True),
        sa.Column("data_rows", ddl.Count, nullable=True),
        sa.Column("cells", ddl.Count, nullable=True),
        sa.Column("layout", sa.Text(), server_default=rows, nullable=False),
        sa.Column("jobs_evaluated", ddl.Count, server_default=none, nullable=False),
        sa.Column("jobs_per_s", ddl.Real, nullable=True),
        sa.Column("eta_at_us", ddl.Count, nullable=True),
        sa.Column("heartbeat_at_us", ddl.Count, nullable=True),
        sa.Column("runner", sa.Text(), nullable=True),
        sa.Column("cancel_requested_at_us", ddl.Count, nullable=True),
        sa.Column("ranked_at_us", ddl.Count, nullable=True),
        sa.Column("report", ddl.Json, nullable=True),
    ]


def _remake(states: str, more: list[sa.Column[Any]], added: dict[str, str]) -> None:
    words = {
        "state_known": states,
        "job_counts": "jobs_done + jobs_failed <= jobs_total",
        "created_at_us_range": f"created_at_us {ALWAYS}",
    }
    columns: list[sa.Column[Any]] = [
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec", ddl.Json, nullable=False),
        sa.Column("data_file", sa.Text(), nullable=False),
        sa.Column("data_digest", sa.Text(), nullable=True),
        sa.Column("engine_version", sa.Text(), nullable=True),
        sa.Column("jobs_total", ddl.Count, nullable=False),
        sa.Column("jobs_done", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("jobs_failed", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("created_at_us", ddl.Count, nullable=False),
        sa.Column("started_at_us", ddl.Count, nullable=True),
        sa.Column("finished_at_us", ddl.Count, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
    ]
    json = [ddl.json_check("sessions", "spec")]
    if more:
        json.append(ddl.json_check("sessions", "report"))
    ddl.remake(
        "sessions",
        *columns,
        *more,
        *_checks("sessions", words | added),
        *json,
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        keep=[column.name for column in columns],
    )


# ── what is new ──────────────────────────────────────────────────────────────
def _session_runners() -> None:
    words = {
        "shard_of": "shard >= 0 AND shard < shards",
        "runner_length": "length(runner) BETWEEN 1 AND 200",
        "started_at_us_range": f"started_at_us {ALWAYS}",
        "heartbeat_at_us_range": f"heartbeat_at_us {ALWAYS}",
    }
    op.create_table(
        "session_runners",
        sa.Column("session_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("shard", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("shards", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.Column("started_at_us", ddl.Count, nullable=False),
        sa.Column("heartbeat_at_us", ddl.Count, nullable=False),
        sa.Column("ended_at_us", ddl.Count, nullable=True),
        sa.Column("jobs_per_s", ddl.Real, nullable=True),
        *_checks("session_runners", words),
        _belongs("session_runners", "session_id", "sessions.id"),
        sa.PrimaryKeyConstraint("session_id", "shard", "shards", name=op.f("pk_session_runners")),
        sqlite_strict=True,
    )


def _result_blocks() -> None:
    words = {
        "encoding_known": "encoding IN ('npz')",
        "jobs_positive": "jobs > 0",
        "failed_of": "failed BETWEEN 0 AND jobs",
        "at_us_range": f"at_us {ALWAYS}",
    }
    op.create_table(
        "result_blocks",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("data_digest", sa.Text(), nullable=False),
        sa.Column("jobs", ddl.Count, nullable=False),
        sa.Column("failed", ddl.Count, nullable=False),
        sa.Column("encoding", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        *_checks("result_blocks", words),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_result_blocks")),
        sqlite_strict=True,
    )
    op.create_index("ix_result_blocks_data_digest", "result_blocks", ["data_digest"], unique=False)


def _job_blocks() -> None:
    words = {
        "first_n_positive": "first_n > 0",
        "jobs_positive": "jobs > 0",
        "failed_of": "failed BETWEEN 0 AND jobs",
    }
    op.create_table(
        "job_blocks",
        sa.Column("session_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("first_n", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("jobs", ddl.Count, nullable=False),
        sa.Column("failed", ddl.Count, nullable=False),
        sa.Column("block_key", sa.Text(), nullable=False),
        *_checks("job_blocks", words),
        _belongs("job_blocks", "session_id", "sessions.id"),
        _belongs("job_blocks", "block_key", "result_blocks.key"),
        sa.PrimaryKeyConstraint("session_id", "first_n", name=op.f("pk_job_blocks")),
        sqlite_strict=True,
    )
    op.create_index("ix_job_blocks_block_key", "job_blocks", ["block_key"], unique=False)


def _belongs(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"))


def _checks(table: str, words: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(sql, name=op.f(f"ck_{table}_{name}")) for name, sql in words.items()]
