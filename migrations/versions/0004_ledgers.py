"""What people and watchers wrote down: freezes, risks, evidence, imports.

Revision: 0004, after 0003
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _freezes()
    _risk_ledger()
    _evidence()
    _imported_lines()


def downgrade() -> None:
    op.drop_table("imported_lines")
    op.drop_table("evidence")
    op.drop_table("risk_ledger")
    op.drop_table("freezes")


def _freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("starts_at_us", ddl.Count, nullable=False),
        sa.Column("ends_at_us", ddl.Count, nullable=True),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("duration_s", ddl.Real, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at_us", ddl.Count, nullable=False),
        sa.Column("removed_at_us", ddl.Count, nullable=True),
        sa.Column("removed_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(cron IS NULL) = (duration_s IS NULL)", name=op.f("ck_freezes_recurrence")
        ),
        sa.CheckConstraint(
            "ends_at_us IS NULL OR ends_at_us > starts_at_us", name=op.f("ck_freezes_order")
        ),
        sa.CheckConstraint(
            "starts_at_us BETWEEN 0 AND 253402300799999999",
            name=op.f("ck_freezes_starts_at_us_range"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freezes")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_freezes_removed_at_us_rule", "freezes", ["removed_at_us", "rule"], unique=False
    )


def _risk_ledger() -> None:
    op.create_table(
        "risk_ledger",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("signal", ddl.Json, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "severity IN ('info', 'warn', 'crit')", name=op.f("ck_risk_ledger_severity_known")
        ),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_risk_ledger_at_us_range")
        ),
        ddl.json_check("risk_ledger", "signal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_risk_ledger")),
        sqlite_strict=True,
    )
    op.create_index("ix_risk_ledger_severity_id", "risk_ledger", ["severity", "id"], unique=False)
    ddl.append_only("risk_ledger", "id")


def _evidence() -> None:
    op.create_table(
        "evidence",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("delta", ddl.Json, nullable=True),
        sa.Column("confidence", ddl.Real, nullable=True),
        sa.Column("quote", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_evidence_at_us_range")
        ),
        ddl.json_check("evidence", "delta"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sqlite_strict=True,
    )
    op.create_index("ix_evidence_rule_id", "evidence", ["rule", "id"], unique=False)
    ddl.append_only("evidence", "id")


def _imported_lines() -> None:
    op.create_table(
        "imported_lines",
        sa.Column("line_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", ddl.Count, nullable=False),
        sa.Column("extra", ddl.Json, nullable=True),
        sa.Column("imported_at_us", ddl.Count, nullable=False),
        sa.CheckConstraint(
            "imported_at_us BETWEEN 0 AND 253402300799999999",
            name=op.f("ck_imported_lines_imported_at_us_range"),
        ),
        ddl.json_check("imported_lines", "extra"),
        sa.CheckConstraint("length(line_key) = 64", name=op.f("ck_imported_lines_line_key_length")),
        sa.PrimaryKeyConstraint("line_key", name=op.f("pk_imported_lines")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_imported_lines_kind_ref", "imported_lines", ["kind", "ref"], unique=False)
