"""What a policy can tell from the noise: calibrations, and who went on without one.

Revision: 0007, after 0006
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibrations",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("from_us", ddl.Count, nullable=False),
        sa.Column("to_us", ddl.Count, nullable=False),
        sa.Column("quiet_s", ddl.Real, nullable=False),
        sa.Column("placebos", ddl.Count, nullable=False),
        sa.Column("false_keep", ddl.Real, nullable=True),
        sa.Column("false_worse", ddl.Real, nullable=True),
        sa.Column("reasons", ddl.Json, nullable=False),
        sa.Column("warnings", ddl.Json, nullable=False),
        sa.Column("signals", ddl.Json, nullable=False),
        sa.Column("override_reason", sa.Text(), nullable=True),
        sa.Column("override_by", sa.Text(), nullable=True),
        *_checks(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibrations")),
        sqlite_strict=True,
    )
    op.create_index("ix_calibrations_policy_id", "calibrations", ["policy", "id"], unique=False)
    ddl.append_only("calibrations", "id")


def downgrade() -> None:
    op.drop_table("calibrations")


def _checks() -> list[sa.CheckConstraint]:
    always = "BETWEEN 0 AND 253402300799999999"
    words = {
        "outcome_known": "outcome IN ('green', 'red')",
        "policy_length": "length(policy) = 64",
        "order": "from_us <= to_us",
        "quiet_s_range": "quiet_s >= 0 AND quiet_s < 1e300",
        "placebos_counted": "placebos >= 0",
        "false_keep_range": "false_keep BETWEEN 0 AND 1",
        "false_worse_range": "false_worse BETWEEN 0 AND 1",
        "override_named": "(override_reason IS NULL) = (override_by IS NULL)",
        "override_reason_length": "length(override_reason) BETWEEN 1 AND 1000",
        "at_us_range": f"at_us {always}",
        "from_us_range": f"from_us {always}",
        "to_us_range": f"to_us {always}",
    }
    checks = [
        sa.CheckConstraint(sql, name=op.f(f"ck_calibrations_{name}")) for name, sql in words.items()
    ]
    json = [ddl.json_check("calibrations", name) for name in ("reasons", "warnings", "signals")]
    return [*checks, *json]
