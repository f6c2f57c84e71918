"""What may be moved and what became of it: policies, rules, proposals, changes, deltas.

Revision: 0002, after 0001
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ddl.create_guard()
    _policies()
    _rules()
    _proposals()
    _changes()
    _deltas()


def downgrade() -> None:
    op.drop_table("deltas")
    op.drop_table("changes")
    op.drop_table("proposals")
    op.drop_table("rules")
    op.drop_table("policies")
    ddl.drop_guard()


def _policies() -> None:
    op.create_table(
        "policies",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("body", ddl.Json, nullable=False),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_policies_at_us_range")
        ),
        ddl.json_check("policies", "body"),
        sa.CheckConstraint("length(digest) = 64", name=op.f("ck_policies_digest_length")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_policies")),
        sqlite_strict=True,
    )
    ddl.append_only("policies", "digest")


def _rules() -> None:
    op.create_table(
        "rules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", ddl.Real, nullable=False),
        sa.Column("init", ddl.Real, nullable=False),
        sa.Column("min_value", ddl.Real, nullable=False),
        sa.Column("max_value", ddl.Real, nullable=False),
        sa.Column("step", ddl.Real, nullable=False),
        sa.Column("weight", ddl.Real, nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("change_id", ddl.Count, nullable=True),
        sa.Column("changed_at_us", ddl.Count, nullable=True),
        sa.Column("cooldown_until_us", ddl.Count, nullable=True),
        sa.Column("foreign_at_us", ddl.Count, nullable=True),
        sa.Column("retired_at_us", ddl.Count, nullable=True),
        sa.CheckConstraint("abs(max_value) < 1e300", name=op.f("ck_rules_max_value_finite")),
        sa.CheckConstraint("abs(min_value) < 1e300", name=op.f("ck_rules_min_value_finite")),
        sa.CheckConstraint("abs(value) < 1e300", name=op.f("ck_rules_value_finite")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 64", name=op.f("ck_rules_name_length")),
        sa.CheckConstraint("min_value <= max_value", name=op.f("ck_rules_bounds")),
        sa.CheckConstraint("step > 0", name=op.f("ck_rules_step_positive")),
        sa.ForeignKeyConstraint(["policy"], ["policies.digest"], name=op.f("fk_rules_policy")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rules")),
        sqlite_strict=True,
    )


def _proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("base", ddl.Json, nullable=False),
        sa.Column("target", ddl.Json, nullable=False),
        sa.Column("expected", ddl.Json, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("session_id", ddl.Count, nullable=True),
        sa.Column("decision_seq", ddl.Count, nullable=True),
        sa.Column("expires_at_us", ddl.Count, nullable=True),
        sa.Column("decided_at_us", ddl.Count, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "origin IN ('loop', 'operator', 'session', 'study', 'rl', 'import')",
            name=op.f("ck_proposals_origin_known"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'applied', 'expired', 'superseded', 'dry_run')",
            name=op.f("ck_proposals_state_known"),
        ),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_proposals_at_us_range")
        ),
        ddl.json_check("proposals", "base"),
        ddl.json_check("proposals", "expected"),
        ddl.json_check("proposals", "target"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
        sqlite_strict=True,
    )
    op.create_index("ix_proposals_state_id", "proposals", ["state", "id"], unique=False)


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("old", ddl.Real, nullable=False),
        sa.Column("new", ddl.Real, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("proposal_id", ddl.Count, nullable=True),
        sa.Column("decision_seq", ddl.Count, nullable=True),
        sa.Column("opened_at_us", ddl.Count, nullable=False),
        sa.Column("applied_at_us", ddl.Count, nullable=True),
        sa.Column("settled_at_us", ddl.Count, nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('dry_run', 'failed', 'inconsistent', 'kept', 'rejected', 'rolled_back', 'superseded')) = (settled_at_us IS NOT NULL)",
            name=op.f("ck_changes_settled"),
        ),
        sa.CheckConstraint(
            "origin IN ('loop', 'operator', 'session', 'study', 'rl', 'import')",
            name=op.f("ck_changes_origin_known"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'rejected', 'dry_run', 'applying', 'observing', 'kept', 'rolling_back', 'rolled_back', 'failed', 'stuck', 'superseded', 'inconsistent')",
            name=op.f("ck_changes_state_known"),
        ),
        sa.CheckConstraint("abs(new) < 1e300", name=op.f("ck_changes_new_finite")),
        sa.CheckConstraint("abs(old) < 1e300", name=op.f("ck_changes_old_finite")),
        sa.CheckConstraint(
            "opened_at_us BETWEEN 0 AND 253402300799999999",
            name=op.f("ck_changes_opened_at_us_range"),
        ),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_changes_proposal_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_changes_idempotency_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_changes_rule_id", "changes", ["rule", "id"], unique=False)
    op.create_index("ix_changes_state_id", "changes", ["state", "id"], unique=False)
    op.create_index(
        "uq_changes_one_open",
        "changes",
        ["rule"],
        unique=True,
        sqlite_where=sa.text("state IN ('applying', 'observing', 'rolling_back', 'stuck')"),
        postgresql_where=sa.text("state IN ('applying', 'observing', 'rolling_back', 'stuck')"),
    )


def _deltas() -> None:
    op.create_table(
        "deltas",
        sa.Column("change_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("signal_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("trial", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("pre_s", ddl.Real, nullable=True),
        sa.Column("pre_n", ddl.Count, nullable=True),
        sa.Column("pre_mean", ddl.Real, nullable=True),
        sa.Column("pre_var", ddl.Real, nullable=True),
        sa.Column("post_s", ddl.Real, nullable=True),
        sa.Column("post_n", ddl.Count, nullable=True),
        sa.Column("post_mean", ddl.Real, nullable=True),
        sa.Column("post_var", ddl.Real, nullable=True),
        sa.Column("delta", ddl.Real, nullable=True),
        sa.Column("ci_low", ddl.Real, nullable=True),
        sa.Column("ci_high", ddl.Real, nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "verdict IN ('better', 'worse', 'inconclusive', 'invalid')",
            name=op.f("ck_deltas_verdict_known"),
        ),
        sa.CheckConstraint("abs(delta) < 1e300", name=op.f("ck_deltas_delta_finite")),
        sa.CheckConstraint(
            "at_us BETWEEN 0 AND 253402300799999999", name=op.f("ck_deltas_at_us_range")
        ),
        sa.CheckConstraint("trial > 0", name=op.f("ck_deltas_trial_positive")),
        sa.ForeignKeyConstraint(["change_id"], ["changes.id"], name=op.f("fk_deltas_change_id")),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.id"], name=op.f("fk_deltas_signal_id")),
        sa.PrimaryKeyConstraint("change_id", "signal_id", "trial", name=op.f("pk_deltas")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deltas_signal_id", "deltas", ["signal_id"], unique=False)
    ddl.append_only("deltas", "change_id", "signal_id", "trial")
