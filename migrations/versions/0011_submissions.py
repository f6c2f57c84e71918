"""Submissions: studies that programs asked for by HTTP, and what became of each.

Revision: 0011, after 0010
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WORDS = {
    "state_known": ("state IN ('queued', 'running', 'stopped', 'done', 'failed', 'cancelled')"),
    "name_length": "length(name) BETWEEN 1 AND 200",
    "priority_range": "priority BETWEEN 0 AND 9",
    "tries_counted": "tries >= 0",
    "ended": "(state IN ('done', 'failed', 'cancelled')) = (ended_at_us IS NOT NULL)",
    "asked_at_us_range": "asked_at_us BETWEEN 0 AND 253402300799999999",
}


def upgrade() -> None:
    none = sa.text("0")
    op.create_table(
        "submissions",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", ddl.Json, nullable=False),
        sa.Column("priority", ddl.Count, server_default=none, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at_us", ddl.Count, nullable=False),
        sa.Column("again_at_us", ddl.Count, nullable=True),
        sa.Column("started_at_us", ddl.Count, nullable=True),
        sa.Column("ended_at_us", ddl.Count, nullable=True),
        sa.Column("cancel_requested_at_us", ddl.Count, nullable=True),
        sa.Column("tries", ddl.Count, server_default=none, nullable=False),
        sa.Column("study_id", ddl.Count, nullable=True),
        sa.Column("child", ddl.Json, nullable=True),
        sa.Column("exit_code", ddl.Count, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        *_checks(),
        ddl.json_check("submissions", "body"),
        ddl.json_check("submissions", "child"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_submissions_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sqlite_strict=True,
    )
    op.create_index("ix_submissions_state_id", "submissions", ["state", "id"], unique=False)


def downgrade() -> None:
    """Forget what was asked; the studies that were run for it stay."""
    op.drop_table("submissions")


def _checks() -> list[sa.CheckConstraint]:
    named = ((op.f(f"ck_submissions_{name}"), sql) for name, sql in WORDS.items())
    return [sa.CheckConstraint(sql, name=name) for name, sql in named]
