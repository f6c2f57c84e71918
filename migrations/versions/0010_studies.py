"""Studies: what is searched, trial by trial and fold by fold, and why it was searched anew.

Revision: 0010, after 0009
Rollout: before the new code.
"""

import migration_ddl as ddl
import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ALWAYS = "BETWEEN 0 AND 253402300799999999"
FINITE = "abs({0}) < 1e300"

STUDY = {
    "state_known": ("state IN ('planned', 'running', 'stopped', 'done', 'failed', 'cancelled')"),
    "name_length": "length(name) BETWEEN 1 AND 200",
    "identity_length": "length(identity) = 64",
    "folds_positive": "folds > 0",
    "trials_total_positive": "trials_total > 0",
    "trials_counted": (
        "trials_done >= 0 AND trials_failed >= 0 AND trials_pruned >= 0 AND trials_known >= 0"
    ),
    "declared_known": "declared IN (0, 1)",
    "judged": "(declared IS NULL) = (judged_at_us IS NULL)",
    "winner_named": "declared = 0 OR winner_n IS NOT NULL",
    "spent_s_range": "spent_s >= 0 AND spent_s < 1e300",
    "runner_length": "length(runner) BETWEEN 1 AND 200",
    "best_value_finite": FINITE.format("best_value"),
    "created_at_us_range": f"created_at_us {ALWAYS}",
}

STUDY_LEADERBOARD = """
-- The trials of every study that have a place, fold by fold, in sample and out of sample.
select
  t.study_id,
  s.name as study,
  t.fold,
  t.rank,
  t.oos_rank,
  t.robust_rank,
  t.n as trial,
  t.params,
  t.value,
  t.violation,
  t.oos_value,
  t.robust_score,
  case when f.chosen_n = t.n then 1 else 0 end as chosen,
  case when s.winner_n = t.n and s.declared = 1 then 1 else 0 end as declared
from trials t
join studies s on s.id = t.study_id
join study_folds f on f.study_id = t.study_id and f.fold = t.fold
where t.rank is not null
"""


def upgrade() -> None:
    _studies()
    _study_folds()
    _study_parts()
    _trials()
    _trial_results()
    _study_triggers()
    op.add_column("proposals", sa.Column("study_id", ddl.Count, nullable=True))
    ddl.create_view("study_leaderboard", STUDY_LEADERBOARD)


def downgrade() -> None:
    """Forget all studies; what was proposed from one is a proposal of nobody's."""
    ddl.drop_views("study_leaderboard")
    op.drop_column("proposals", "study_id")
    for table in (
        "study_triggers",
        "trial_results",
        "trials",
        "study_parts",
        "study_folds",
        "studies",
    ):
        op.drop_table(table)


def _studies() -> None:
    none = sa.text("0")
    op.create_table(
        "studies",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec", ddl.Json, nullable=False),
        sa.Column("data_digest", sa.Text(), nullable=False),
        sa.Column("data_rows", ddl.Count, nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("sampler", sa.Text(), nullable=False),
        sa.Column("seed", ddl.Count, nullable=False),
        sa.Column("folds", ddl.Count, nullable=False),
        sa.Column("trials_total", ddl.Count, nullable=True),
        sa.Column("trials_done", ddl.Count, server_default=none, nullable=False),
        sa.Column("trials_failed", ddl.Count, server_default=none, nullable=False),
        sa.Column("trials_pruned", ddl.Count, server_default=none, nullable=False),
        sa.Column("trials_known", ddl.Count, server_default=none, nullable=False),
        sa.Column("best_value", ddl.Real, nullable=True),
        sa.Column("best_n", ddl.Count, nullable=True),
        sa.Column("declared", ddl.Count, nullable=True),
        sa.Column("winner_n", ddl.Count, nullable=True),
        sa.Column("created_at_us", ddl.Count, nullable=False),
        sa.Column("started_at_us", ddl.Count, nullable=True),
        sa.Column("finished_at_us", ddl.Count, nullable=True),
        sa.Column("judged_at_us", ddl.Count, nullable=True),
        sa.Column("spent_s", ddl.Real, server_default=none, nullable=False),
        sa.Column("trials_per_s", ddl.Real, nullable=True),
        sa.Column("eta_at_us", ddl.Count, nullable=True),
        sa.Column("heartbeat_at_us", ddl.Count, nullable=True),
        sa.Column("runner", sa.Text(), nullable=True),
        sa.Column("cancel_requested_at_us", ddl.Count, nullable=True),
        sa.Column("report", ddl.Json, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        *_checks("studies", STUDY),
        ddl.json_check("studies", "spec"),
        ddl.json_check("studies", "report"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("identity", name=op.f("uq_studies_identity")),
        sqlite_strict=True,
    )
    op.create_index("ix_studies_name_id", "studies", ["name", "id"], unique=False)
    op.create_index("ix_studies_state_id", "studies", ["state", "id"], unique=False)


def _study_folds() -> None:
    words = {
        "fold_positive": "fold > 0",
        "trials_counted": "trials >= 0",
        "ended_named": "(ended IS NULL) = (ended_at_us IS NULL)",
        "value_finite": FINITE.format("value"),
        "oos_value_finite": FINITE.format("oos_value"),
    }
    op.create_table(
        "study_folds",
        sa.Column("study_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("fold", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("trials", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("chosen_n", ddl.Count, nullable=True),
        sa.Column("value", ddl.Real, nullable=True),
        sa.Column("oos_value", ddl.Real, nullable=True),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.Column("ended_at_us", ddl.Count, nullable=True),
        *_checks("study_folds", words),
        _belongs("study_folds", ["study_id"], ["studies.id"]),
        sa.PrimaryKeyConstraint("study_id", "fold", name=op.f("pk_study_folds")),
        sqlite_strict=True,
    )


def _study_parts() -> None:
    words = {
        "part_known": "part IN ('train', 'test', 'probe')",
        "symbol_length": "length(symbol) BETWEEN 1 AND 64",
        "rows": "first_row >= 0 AND first_row <= last_row",
    }
    op.create_table(
        "study_parts",
        sa.Column("study_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("fold", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("first_row", ddl.Count, nullable=False),
        sa.Column("last_row", ddl.Count, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data_digest", sa.Text(), nullable=False),
        sa.Column("data_file", sa.Text(), nullable=False),
        *_checks("study_parts", words),
        _belongs("study_parts", ["study_id", "fold"], ["study_folds.study_id", "study_folds.fold"]),
        sa.PrimaryKeyConstraint("study_id", "fold", "symbol", "part", name=op.f("pk_study_parts")),
        sqlite_strict=True,
    )
    op.create_index("ix_study_parts_data_digest", "study_parts", ["data_digest"], unique=False)


def _trials() -> None:
    words = {
        "state_known": "state IN ('asked', 'done', 'pruned', 'failed')",
        "n_positive": "n > 0",
        "batch_positive": "batch > 0",
        "known_known": "known IN (0, 1)",
        "error_named": "(state = 'failed') = (error IS NOT NULL)",
        "violation_range": "violation >= 0 AND violation < 1e300",
        "value_finite": FINITE.format("value"),
        "oos_value_finite": FINITE.format("oos_value"),
    }
    op.create_table(
        "trials",
        sa.Column("study_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("n", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("fold", ddl.Count, nullable=False),
        sa.Column("batch", ddl.Count, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("params", ddl.Json, nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("known", ddl.Count, server_default=sa.text("0"), nullable=False),
        sa.Column("value", ddl.Real, nullable=True),
        sa.Column("objectives", ddl.Json, nullable=True),
        sa.Column("violation", ddl.Real, nullable=True),
        sa.Column("oos_value", ddl.Real, nullable=True),
        sa.Column("rank", ddl.Count, nullable=True),
        sa.Column("oos_rank", ddl.Count, nullable=True),
        sa.Column("robust_rank", ddl.Count, nullable=True),
        sa.Column("robust_score", ddl.Real, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        *_checks("trials", words),
        ddl.json_check("trials", "params"),
        ddl.json_check("trials", "objectives"),
        _belongs("trials", ["study_id", "fold"], ["study_folds.study_id", "study_folds.fold"]),
        sa.PrimaryKeyConstraint("study_id", "n", name=op.f("pk_trials")),
        sa.UniqueConstraint("study_id", "fold", "cell", name=op.f("uq_trials_study_id_fold_cell")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_trials_study_id_fold_rank", "trials", ["study_id", "fold", "rank"], unique=False
    )


def _trial_results() -> None:
    words = {"part_known": "part IN ('train', 'test', 'probe')"}
    op.create_table(
        "trial_results",
        sa.Column("study_id", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("n", ddl.Count, autoincrement=False, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("result_key", sa.Text(), nullable=False),
        *_checks("trial_results", words),
        _belongs("trial_results", ["result_key"], ["results.key"]),
        _belongs("trial_results", ["study_id", "n"], ["trials.study_id", "trials.n"]),
        sa.PrimaryKeyConstraint("study_id", "n", "symbol", "part", name=op.f("pk_trial_results")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_trial_results_result_key", "trial_results", ["result_key"], unique=False)


def _study_triggers() -> None:
    words = {
        "name_length": "length(name) BETWEEN 1 AND 200",
        "kind_length": "length(kind) BETWEEN 1 AND 64",
        "fired_known": "fired IN (0, 1)",
        "at_us_range": f"at_us {ALWAYS}",
    }
    op.create_table(
        "study_triggers",
        sa.Column("id", ddl.Count, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_us", ddl.Count, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fired", ddl.Count, nullable=False),
        sa.Column("evidence", ddl.Json, nullable=False),
        sa.Column("study_id", ddl.Count, nullable=True),
        sa.Column("started_study_id", ddl.Count, nullable=True),
        *_checks("study_triggers", words),
        ddl.json_check("study_triggers", "evidence"),
        _belongs("study_triggers", ["started_study_id"], ["studies.id"]),
        _belongs("study_triggers", ["study_id"], ["studies.id"]),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_triggers")),
        sqlite_strict=True,
    )
    op.create_index("ix_study_triggers_name_id", "study_triggers", ["name", "id"], unique=False)


def _belongs(table: str, columns: list[str], to: list[str]) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{'_'.join(columns)}"
    return sa.ForeignKeyConstraint(columns, to, name=op.f(name))


def _checks(table: str, words: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(sql, name=op.f(f"ck_{table}_{name}")) for name, sql in words.items()]
