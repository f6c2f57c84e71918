"""What was decided and done: append-only streams linked by hash.

Revision: 0003, after 0002
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _chains()
    _decisions()
    _decision_repeats()
    _change_events()
    _rule_history()
    _events()


def downgrade() -> None:
    op.drop_table("events")
    op.drop_table("rule_history")
    op.drop_table("change_events")
    op.drop_table("decision_repeats")
    op.drop_table("decisions")
    op.drop_table("chains")


def _chains() -> None:
    op.create_table(
        "chains",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("seq", ddl.Count, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_chains")),
        sqlite_strict=True,
    )
    op.bulk_insert(
        sa.table("chains", sa.column("stream"), sa.column("seq"), sa.column("hash")),
        [
            {"stream": stream, "seq": 0, "hash": "0" * 64}
            for stream in ("decisions", "change_events", "rule_history", "events")
        ],
    )


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("seq", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("epoch", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("old", ddl.Real, nullable=True),
        sa.Column("new", ddl.Real, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("change_id", ddl.Count, nullable=True),
        sa.Column("evidence", ddl.Json, nullable=True),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('hold', 'propose', 'apply', 'keep', 'rollback', 'extend', 'revert', 'command')",
            name=op.f("ck_decisions_kind_known"),
        ),
        sa.CheckConstraint(
            "mode IN ('live', 'dry_run', 'replay')", name=op.f("ck_decisions_mode_known")
        ),
        sa.CheckConstraint("abs(new) < 1e300", name=op.f("ck_decisions_new_finite")),
        sa.CheckConstraint("abs(old) < 1e300", name=op.f("ck_decisions_old_finite")),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_decisions_at_us_range")
        ),
        ddl.json_check("decisions", "evidence"),
        sa.CheckConstraint("length(hash) = 64", name=op.f("ck_decisions_hash_length")),
        sa.CheckConstraint("length(prev_hash) = 64", name=op.f("ck_decisions_prev_hash_length")),
        sa.CheckConstraint(
            "length(reason) BETWEEN 1 AND 64", name=op.f("ck_decisions_reason_length")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_decisions")),
        sa.UniqueConstraint("hash", name=op.f("uq_decisions_hash")),
        sqlite_strict=True,
    )
    op.create_index("ix_decisions_at_us", "decisions", ["at_us"], unique=False)
    op.create_index("ix_decisions_change_id", "decisions", ["change_id"], unique=False)
    op.create_index("ix_decisions_kind_seq", "decisions", ["kind", "seq"], unique=False)
    op.create_index("ix_decisions_rule_seq", "decisions", ["rule", "seq"], unique=False)
    ddl.append_only("decisions", "seq")


def _decision_repeats() -> None:
    op.create_table(
        "decision_repeats",
        sa.Column("seq", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("n", ddl.Count, nullable=False),
        sa.Column("last_at_us", ddl.Count, nullable=False),
        sa.CheckConstraint(
            "last_at_us BETWEEN 0 AND 253402300799999999",
            name=op.f("ck_decision_repeats_last_at_us_range"),
        ),
        sa.CheckConstraint("n > 0", name=op.f("ck_decision_repeats_n_positive")),
        sa.ForeignKeyConstraint(["seq"], ["decisions.seq"], name=op.f("fk_decision_repeats_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_decision_repeats")),
        sqlite_strict=True,
    )


def _change_events() -> None:
    op.create_table(
        "change_events",
        sa.Column("seq", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("change_id", ddl.Count, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=True),
        sa.Column("elapsed_us", ddl.Count, nullable=True),
        sa.Column("epoch", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("body", ddl.Json, nullable=True),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "from_state IN ('proposed', 'rejected', 'dry_run', 'applying', 'observing', 'kept', 'rolling_back', 'rolled_back', 'failed', 'stuck', 'superseded', 'inconsistent')",
            name=op.f("ck_change_events_from_state_known"),
        ),
        sa.CheckConstraint(
            "to_state IN ('proposed', 'rejected', 'dry_run', 'applying', 'observing', 'kept', 'rolling_back', 'rolled_back', 'failed', 'stuck', 'superseded', 'inconsistent')",
            name=op.f("ck_change_events_to_state_known"),
        ),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_change_events_at_us_range")
        ),
        ddl.json_check("change_events", "body"),
        sa.CheckConstraint("length(hash) = 64", name=op.f("ck_change_events_hash_length")),
        sa.CheckConstraint(
            "length(prev_hash) = 64", name=op.f("ck_change_events_prev_hash_length")
        ),
        sa.ForeignKeyConstraint(
            ["change_id"], ["changes.id"], name=op.f("fk_change_events_change_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_change_events")),
        sa.UniqueConstraint("hash", name=op.f("uq_change_events_hash")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_change_events_change_id_seq", "change_events", ["change_id", "seq"], unique=False
    )
    op.create_index(
        "uq_change_events_one_end",
        "change_events",
        ["change_id"],
        unique=True,
        sqlite_where=sa.text(
            "to_state IN ('dry_run', 'failed', 'inconsistent', 'kept', 'rejected', 'rolled_back', 'superseded')"
        ),
        postgresql_where=sa.text(
            "to_state IN ('dry_run', 'failed', 'inconsistent', 'kept', 'rejected', 'rolled_back', 'superseded')"
        ),
    )
    ddl.append_only("change_events", "seq")


def _rule_history() -> None:
    op.create_table(
        "rule_history",
        sa.Column("seq", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("epoch", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("old", ddl.Real, nullable=True),
        sa.Column("new", ddl.Real, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("change_id", ddl.Count, nullable=True),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint("abs(new) < 1e300", name=op.f("ck_rule_history_new_finite")),
        sa.CheckConstraint("abs(old) < 1e300", name=op.f("ck_rule_history_old_finite")),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_rule_history_at_us_range")
        ),
        sa.CheckConstraint("length(hash) = 64", name=op.f("ck_rule_history_hash_length")),
        sa.CheckConstraint("length(prev_hash) = 64", name=op.f("ck_rule_history_prev_hash_length")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_rule_history")),
        sa.UniqueConstraint("hash", name=op.f("uq_rule_history_hash")),
        sqlite_strict=True,
    )
    op.create_index("ix_rule_history_change_id", "rule_history", ["change_id"], unique=False)
    op.create_index("ix_rule_history_rule_seq", "rule_history", ["rule", "seq"], unique=False)
    ddl.append_only("rule_history", "seq")


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("epoch", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.Column("body", ddl.Json, nullable=True),
        sa.Column("prev_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_events_at_us_range")
        ),
        ddl.json_check("events", "body"),
        sa.CheckConstraint("length(hash) = 64", name=op.f("ck_events_hash_length")),
        sa.CheckConstraint("length(kind) BETWEEN 1 AND 64", name=op.f("ck_events_kind_length")),
        sa.CheckConstraint("length(prev_hash) = 64", name=op.f("ck_events_prev_hash_length")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sa.UniqueConstraint("hash", name=op.f("uq_events_hash")),
        sqlite_strict=True,
    )
    op.create_index("ix_events_kind_seq", "events", ["kind", "seq"], unique=False)
    ddl.append_only("events", "seq")
