"""What was seen: signals, samples, rollups, refused samples.

Revision: 0001, after nothing
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _signals()
    _samples()
    _sample_rollups()
    _sample_faults()


def downgrade() -> None:
    op.drop_table("sample_faults")
    op.drop_table("sample_rollups")
    op.drop_table("samples")
    op.drop_table("signals")


def _signals() -> None:
    op.create_table(
        "signals",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("period_s", ddl.Real, nullable=True),
        sa.Column("created_at_us", ddl.Count, nullable=False),
        sa.Column("rolled_until_us", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("pruned_until_us", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "created_at_us BETWEEN 0 AND 253402300799999999",
            name=op.f("ck_signals_created_at_us_range"),
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("ck_signals_name_length")),
        sa.CheckConstraint(
            "period_s > 0 AND period_s < 1e9", name=op.f("ck_signals_period_s_range")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signals")),
        sa.UniqueConstraint("name", name=op.f("uq_signals_name")),
        sqlite_strict=True,
    )


def _samples() -> None:
    op.create_table(
        "samples",
        sa.Column("signal_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("at_us", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("value", ddl.Real, nullable=False),
        sa.CheckConstraint("abs(value) < 1e300", name=op.f("ck_samples_value_finite")),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_samples_at_us_range")
        ),
        sa.PrimaryKeyConstraint("signal_id", "at_us", name=op.f("pk_samples")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _sample_rollups() -> None:
    op.create_table(
        "sample_rollups",
        sa.Column("signal_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("res_s", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("bucket_us", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("n", ddl.Count, nullable=False),
        sa.Column("mean", ddl.Real, nullable=False),
        sa.Column("m2", ddl.Real, nullable=False),
        sa.Column("lo", ddl.Real, nullable=False),
        sa.Column("hi", ddl.Real, nullable=False),
        sa.CheckConstraint("lo <= hi", name=op.f("ck_sample_rollups_lo_hi")),
        sa.CheckConstraint("n > 0", name=op.f("ck_sample_rollups_n_positive")),
        sa.CheckConstraint("res_s > 0", name=op.f("ck_sample_rollups_res_s_positive")),
        sa.PrimaryKeyConstraint("signal_id", "res_s", "bucket_us", name=op.f("pk_sample_rollups")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _sample_faults() -> None:
    op.create_table(
        "sample_faults",
        sa.Column("signal_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("bucket_us", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("n", ddl.Count, nullable=False),
        sa.CheckConstraint(
            "fault IN ('duplicate', 'not_finite', 'future', 'too_old')",
            name=op.f("ck_sample_faults_fault_known"),
        ),
        sa.CheckConstraint("n > 0", name=op.f("ck_sample_faults_n_positive")),
        sa.PrimaryKeyConstraint("signal_id", "bucket_us", "fault", name=op.f("pk_sample_faults")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
