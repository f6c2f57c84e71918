"""What the running service keeps: who leads, what was asked, what it knows, has told and has to do.

Revision: 0008, after 0007
Rollout: before the new code.

Freezes gain a kind, refused samples three more reasons, and `signal_health`
shows what the service has judged of a signal.
"""

from typing import Any, cast

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FREEZE_KINDS = {
    "kind_known": "kind IN ('freeze', 'pause', 'kill')",
    "kill_of_all": "kind <> 'kill' OR rule IS NULL",
}
FAULT_KNOWN = "ck_sample_faults_fault_known"
FAULTS_BEFORE = "fault IN ('duplicate', 'not_finite', 'future', 'too_old')"
FAULTS = (
    "fault IN ('duplicate', 'not_finite', 'future', 'too_old', 'late', 'unreadable', 'unit_jump')"
)
NEAREST = {"late": "too_old", "unreadable": "not_finite", "unit_jump": "not_finite"}
"""How the old program would have counted what it has no word for."""

_HEALTH = """
select
  h.signal,
  @iso(h.last_at_us) as last_at,
  (h.now_us - h.last_at_us) / cast(1000000 as double precision) as age_s,
  h.good / cast(60 as double precision) as rate_hz,
  h.bad / nullif(cast(h.good + h.bad as double precision), 0) as share_bad,
  case
    when h.bad * 5 > h.good + h.bad then 'sick'
    when h.last_at_us is null or h.now_us - h.last_at_us > h.patience_us then 'silent'
    else {otherwise}
  end as state
from (
  select
    l.signal,
    @now_us as now_us,
    l.last_at_us,
    l.patience_us,{carried}
    (
      select count(*) from samples x
      where x.signal_id = l.id and x.at_us > l.last_at_us - 60000000 and x.at_us <= l.last_at_us
    ) as good,
    (
      select cast(coalesce(sum(b.n), 0) as bigint) from sample_faults b
      where b.signal_id = l.id and b.bucket_us > coalesce(l.last_at_us, l.now_us) - 120000000
    ) as bad
  from (
    select
      s.id,
      s.name as signal,
      @now_us as now_us,
      (select max(m.at_us) from samples m where m.signal_id = s.id) as last_at_us,
      case when s.period_s > 20 then s.period_s * 3e6 else 60000000 end as patience_us{judged}
    from signals s
  ) l
) h
"""
_WHAT = "-- Is each signal alive and fit as evidence? Rate and faults are of the minute before its last sample.\n"
_WHO = "-- Sick and silent are seen here; what else speaks against it, the running service has judged.\n"
_WHY = "-- The clock read in the middle has Postgres count once what the columns use several times."
_JUDGED = ",\n      (select t.state from signal_states t where t.signal_id = s.id) as judged"

HEALTH_BEFORE = _WHAT + _WHY + _HEALTH.format(otherwise="'ok'", carried="", judged="")
HEALTH = (
    _WHAT
    + _WHO
    + _WHY
    + _HEALTH.format(
        otherwise="coalesce(h.judged, 'ok')", carried="\n    l.judged,", judged=_JUDGED
    )
)


def upgrade() -> None:
    _lease()
    _commands()
    _memory()
    _source_marks()
    _signal_states()
    _alerts()
    _chores()
    _freezes()
    ddl.drop_views("signal_health")
    _faults(FAULTS)
    ddl.create_view("signal_health", HEALTH)


def downgrade() -> None:
    ddl.drop_views("signal_health")
    for fault, nearest in NEAREST.items():
        _count_as(fault, nearest)
    _faults(FAULTS_BEFORE)
    ddl.create_view("signal_health", HEALTH_BEFORE)
    _freezes_before()
    for table in (
        "chores",
        "alerts",
        "signal_states",
        "source_marks",
        "memory",
        "commands",
        "lease",
    ):
        op.drop_table(table)


def _freezes() -> None:
    checks = _checks("freezes", FREEZE_KINDS)
    if ddl.dialect() == "sqlite":
        _remake_freezes(_kind(), *checks)
        return
    op.add_column("freezes", _kind())
    for check in checks:
        op.create_check_constraint(cast("str", check.name), "freezes", check.sqltext)


def _freezes_before() -> None:
    """Take the kind away: a pause and a kill stay in force, as freezes like any other."""
    if ddl.dialect() == "sqlite":
        _remake_freezes()
        return
    for name in FREEZE_KINDS:
        op.drop_constraint(op.f(f"ck_freezes_{name}"), "freezes", type_="check")
    op.drop_column("freezes", "kind")


def _kind() -> sa.Column[str]:
    return sa.Column("kind", sa.Text(), server_default=sa.text("'freeze'"), nullable=False)


def _remake_freezes(*more: sa.Column[str] | sa.CheckConstraint) -> None:
    words = {
        "recurrence": "(cron IS NULL) = (duration_s IS NULL)",
        "order": "ends_at_us IS NULL OR ends_at_us > starts_at_us",
        **_range("starts_at_us"),
    }
    columns: list[sa.Column[Any]] = [
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
    ]
    ddl.remake(
        "freezes",
        *columns,
        *more,
        *_checks("freezes", words),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freezes")),
        keep=[column.name for column in columns],
        views=["current_rules"],
    )


def _faults(known: str) -> None:
    if ddl.dialect() != "sqlite":
        op.drop_constraint(op.f(FAULT_KNOWN), "sample_faults", type_="check")
        op.create_check_constraint(op.f(FAULT_KNOWN), "sample_faults", known)
        return
    columns: list[sa.Column[Any]] = [
        sa.Column("signal_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("bucket_us", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("n", ddl.Count, nullable=False),
    ]
    ddl.remake(
        "sample_faults",
        *columns,
        *_checks("sample_faults", {"fault_known": known, "n_positive": "n > 0"}),
        sa.PrimaryKeyConstraint("signal_id", "bucket_us", "fault", name=op.f("pk_sample_faults")),
        keep=[column.name for column in columns],
        sqlite_with_rowid=False,
    )


def _count_as(fault: str, nearest: str) -> None:
    add = sa.text(
        "INSERT INTO sample_faults (signal_id, bucket_us, fault, n)"
        " SELECT signal_id, bucket_us, :nearest, n FROM sample_faults WHERE fault = :fault"
        " ON CONFLICT (signal_id, bucket_us, fault) DO UPDATE SET n = sample_faults.n + excluded.n"
    )
    op.get_bind().execute(add, {"fault": fault, "nearest": nearest})
    op.get_bind().execute(
        sa.text("DELETE FROM sample_faults WHERE fault = :fault"), {"fault": fault}
    )


def _checks(table: str, words: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(sql, name=op.f(f"ck_{table}_{name}")) for name, sql in words.items()]


def _range(*columns: str) -> dict[str, str]:
    return {f"{name}_range": f"{name} BETWEEN 0 AND 253402300799999999" for name in columns}


def _lease() -> None:
    words = {
        "epoch_positive": "epoch > 0",
        "beat_counted": "beat >= 0",
        "ttl_s_range": "ttl_s > 0 AND ttl_s < 1e9",
        "holder_length": "length(holder) BETWEEN 1 AND 200",
        **_range("since_us", "beat_at_us"),
    }
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", ddl.Count, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("beat", ddl.Count, nullable=False),
        sa.Column("ttl_s", ddl.Real, nullable=False),
        sa.Column("since_us", ddl.Count, nullable=False),
        sa.Column("beat_at_us", ddl.Count, nullable=False),
        sa.Column("released_at_us", ddl.Count, nullable=True),
        sa.Column("about", ddl.Json, nullable=False),
        *_checks("lease", words),
        ddl.json_check("lease", "about"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        sqlite_strict=True,
    )


def _commands() -> None:
    words = {
        "state_known": "state IN ('pending', 'running', 'done', 'refused', 'failed', 'expired')",
        "key_length": "length(key) BETWEEN 1 AND 200",
        "kind_length": "length(kind) BETWEEN 1 AND 64",
        "actor_length": "length(actor) BETWEEN 1 AND 200",
        "exit_code_range": "exit_code BETWEEN 0 AND 255",
        "taken_by": "state <> 'running' OR epoch IS NOT NULL",
        "finished": "(state IN ('pending', 'running')) = (done_at_us IS NULL)",
        "answered": "(done_at_us IS NULL) = (exit_code IS NULL)",
        **_range("at_us"),
    }
    op.create_table(
        "commands",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("args", ddl.Json, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("expires_at_us", ddl.Count, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("result", ddl.Json, nullable=True),
        sa.Column("exit_code", ddl.Count, nullable=True),
        sa.Column("epoch", ddl.Count, nullable=True),
        sa.Column("done_at_us", ddl.Count, nullable=True),
        *_checks("commands", words),
        ddl.json_check("commands", "args"),
        ddl.json_check("commands", "result"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint("key", name=op.f("uq_commands_key")),
        sqlite_strict=True,
    )
    op.create_index("ix_commands_state_id", "commands", ["state", "id"], unique=False)


def _memory() -> None:
    words = {
        "only_one": "id = 1",
        "mode_known": "mode IN ('live', 'dry_run', 'replay')",
        **_range("at_us"),
    }
    op.create_table(
        "memory",
        sa.Column("id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("block", ddl.Count, nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("epoch", ddl.Count, nullable=False),
        sa.Column("state", ddl.Json, nullable=False),
        *_checks("memory", words),
        ddl.json_check("memory", "state"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory")),
        sqlite_strict=True,
    )


def _source_marks() -> None:
    op.create_table(
        "source_marks",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("mark", ddl.Json, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        *_checks(
            "source_marks",
            {"source_length": "length(source) BETWEEN 1 AND 200", **_range("at_us")},
        ),
        ddl.json_check("source_marks", "mark"),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_marks")),
        sqlite_strict=True,
    )


def _signal_states() -> None:
    op.create_table(
        "signal_states",
        sa.Column("signal_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since_us", ddl.Count, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        *_checks(
            "signal_states",
            {"state_length": "length(state) BETWEEN 1 AND 64", **_range("since_us")},
        ),
        sa.ForeignKeyConstraint(
            ["signal_id"], ["signals.id"], name=op.f("fk_signal_states_signal_id")
        ),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_signal_states")),
        sqlite_strict=True,
    )


def _alerts() -> None:
    words = {
        "severity_known": "severity IN ('info', 'warn', 'crit')",
        "state_known": "state IN ('pending', 'sent', 'failed', 'muted')",
        "kind_length": "length(kind) BETWEEN 1 AND 64",
        "key_length": "length(key) BETWEEN 1 AND 200",
        "times_positive": "times > 0",
        "attempts_counted": "attempts >= 0",
        "due": "(state = 'pending') = (next_at_us IS NOT NULL)",
        **_range("at_us", "last_at_us"),
    }
    op.create_table(
        "alerts",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("body", ddl.Json, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("times", ddl.Count, server_default=sa.text("1"), nullable=False),
        sa.Column("last_at_us", ddl.Count, nullable=False),
        sa.Column("attempts", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("next_at_us", ddl.Count, nullable=True),
        sa.Column("sent_at_us", ddl.Count, nullable=True),
        sa.Column("resolved_at_us", ddl.Count, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        *_checks("alerts", words),
        ddl.json_check("alerts", "body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sqlite_strict=True,
    )
    op.create_index("ix_alerts_state_next_at_us", "alerts", ["state", "next_at_us"], unique=False)
    unresolved = sa.text("resolved_at_us IS NULL")
    op.create_index(
        "uq_alerts_one_unresolved",
        "alerts",
        ["kind", "key"],
        unique=True,
        sqlite_where=unresolved,
        postgresql_where=unresolved,
    )


def _chores() -> None:
    words = {
        "name_length": "length(name) BETWEEN 1 AND 64",
        "last_status_known": "last_status IN"
        " ('running', 'done', 'failed', 'killed', 'missed', 'abandoned')",
    }
    op.create_table(
        "chores",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_started_us", ddl.Count, nullable=True),
        sa.Column("last_ended_us", ddl.Count, nullable=True),
        sa.Column("last_status", sa.Text(), nullable=True),
        sa.Column("last_due_us", ddl.Count, nullable=True),
        sa.Column("next_due_us", ddl.Count, nullable=True),
        sa.Column("detail", ddl.Json, nullable=True),
        *_checks("chores", words),
        ddl.json_check("chores", "detail"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chores")),
        sqlite_strict=True,
    )
