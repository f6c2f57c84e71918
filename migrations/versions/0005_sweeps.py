"""River 2: sessions, results, jobs, rankings.

Revision: 0005, after 0004
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _sessions()
    _results()
    _jobs()
    _rankings()


def downgrade() -> None:
    op.drop_table("rankings")
    op.drop_table("jobs")
    op.drop_table("results")
    op.drop_table("sessions")


def _sessions() -> None:
    op.create_table(
        "sessions",
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
        sa.CheckConstraint(
            "state IN ('planned', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_sessions_state_known"),
        ),
        sa.CheckConstraint(
            "created_at_us BETWEEN 0 AND 253402300799999999",
            name=op.f("ck_sessions_created_at_us_range"),
        ),
        sa.CheckConstraint(
            "jobs_done + jobs_failed <= jobs_total", name=op.f("ck_sessions_job_counts")
        ),
        ddl.json_check("sessions", "spec"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sqlite_strict=True,
    )
    op.create_index("ix_sessions_name_id", "sessions", ["name", "id"], unique=False)
    op.create_index("ix_sessions_state_id", "sessions", ["state", "id"], unique=False)


def _results() -> None:
    op.create_table(
        "results",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("data_digest", sa.Text(), nullable=False),
        sa.Column("params", ddl.Json, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("total_trades", ddl.Count, nullable=True),
        sa.Column("closed_trades", ddl.Count, nullable=True),
        sa.Column("open_trades", ddl.Count, nullable=True),
        sa.Column("final_balance_usd", ddl.Real, nullable=True),
        sa.Column("realized_pnl_usd", ddl.Real, nullable=True),
        sa.Column("max_drawdown_pct", ddl.Real, nullable=True),
        sa.Column("win_rate", ddl.Real, nullable=True),
        sa.Column("avg_pnl_per_trade_usd", ddl.Real, nullable=True),
        sa.Column("runtime_seconds", ddl.Real, nullable=True),
        sa.Column("metrics", ddl.Json, nullable=True),
        sa.CheckConstraint(
            "(status = 'error') = (error IS NOT NULL)", name=op.f("ck_results_error_named")
        ),
        sa.CheckConstraint("status IN ('success', 'error')", name=op.f("ck_results_status_known")),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_results_at_us_range")
        ),
        ddl.json_check("results", "metrics"),
        ddl.json_check("results", "params"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_results")),
        sqlite_strict=True,
    )
    op.create_index("ix_results_data_digest", "results", ["data_digest"], unique=False)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("session_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("n", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("params", ddl.Json, nullable=False),
        sa.Column("output_json", sa.Text(), nullable=True),
        sa.Column("attempts", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("result_key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'done', 'failed', 'cancelled')",
            name=op.f("ck_jobs_state_known"),
        ),
        ddl.json_check("jobs", "params"),
        sa.CheckConstraint("n > 0", name=op.f("ck_jobs_n_positive")),
        sa.ForeignKeyConstraint(["result_key"], ["results.key"], name=op.f("fk_jobs_result_key")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_jobs_session_id")),
        sa.PrimaryKeyConstraint("session_id", "n", name=op.f("pk_jobs")),
        sa.UniqueConstraint("session_id", "job_id", name=op.f("uq_jobs_session_id_job_id")),
        sqlite_strict=True,
    )
    op.create_index("ix_jobs_result_key", "jobs", ["result_key"], unique=False)
    op.create_index("ix_jobs_session_id_state", "jobs", ["session_id", "state"], unique=False)


def _rankings() -> None:
    op.create_table(
        "rankings",
        sa.Column("session_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("rank", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("n", ddl.Count, nullable=False),
        sa.Column("tied_with", ddl.Count, nullable=True),
        sa.Column("robust_rank", ddl.Count, nullable=True),
        sa.Column("robust_score", ddl.Real, nullable=True),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_rankings_at_us_range")
        ),
        sa.CheckConstraint("rank > 0", name=op.f("ck_rankings_rank_positive")),
        sa.ForeignKeyConstraint(
            ["session_id", "n"],
            ["jobs.session_id", "jobs.n"],
            name=op.f("fk_rankings_session_id_n"),
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_rankings_session_id")
        ),
        sa.PrimaryKeyConstraint("session_id", "rank", name=op.f("pk_rankings")),
        sa.UniqueConstraint("session_id", "n", name=op.f("uq_rankings_session_id_n")),
        sqlite_strict=True,
    )
