"""Studies: what is searched, trial by trial and fold by fold, and what set one off."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.schema import ForeignKeyConstraint

from daemon.store.tables.base import finite, json_checks, moment, one_of, table
from daemon.store.tables.sweeps import SESSION_STATES
from daemon.store.types import Count, Json, Micros, Real

STUDY_STATES = SESSION_STATES
TRIAL_STATES = ("asked", "done", "pruned", "failed")
PARTS = ("train", "test", "probe")

# `identity` is of the name, the data, the engine and everything that changes what is
# proposed or how it is judged. The budget is no part of it: with more of it the same
# study goes on. `data_digest` names all data files of the study together.
studies = table(
    "studies",
    Column("id", Count, primary_key=True),
    Column("name", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("spec", Json, nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("data_rows", Count, nullable=False),
    Column("engine_version", Text, nullable=False),
    Column("sampler", Text, nullable=False),
    Column("seed", Count, nullable=False),
    Column("folds", Count, nullable=False),
    Column("trials_total", Count),
    Column("trials_done", Count, nullable=False, server_default=text("0")),
    Column("trials_failed", Count, nullable=False, server_default=text("0")),
    Column("trials_pruned", Count, nullable=False, server_default=text("0")),
    Column("trials_known", Count, nullable=False, server_default=text("0")),
    Column("best_value", Real),
    Column("best_n", Count),
    Column("declared", Count),
    Column("winner_n", Count),
    Column("created_at_us", Micros, nullable=False),
    Column("started_at_us", Micros),
    Column("finished_at_us", Micros),
    Column("judged_at_us", Micros),
    Column("spent_s", Real, nullable=False, server_default=text("0")),
    Column("trials_per_s", Real),
    Column("eta_at_us", Micros),
    Column("heartbeat_at_us", Micros),
    Column("runner", Text),
    Column("cancel_requested_at_us", Micros),
    Column("report", Json),
    Column("note", Text),
    UniqueConstraint("identity"),
    Index("ix_studies_state_id", "state", "id"),
    Index("ix_studies_name_id", "name", "id"),
    one_of("state", STUDY_STATES),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("length(identity) = 64", name="identity_length"),
    CheckConstraint("folds > 0", name="folds_positive"),
    CheckConstraint("trials_total > 0", name="trials_total_positive"),
    CheckConstraint(
        "trials_done >= 0 AND trials_failed >= 0 AND trials_pruned >= 0 AND trials_known >= 0",
        name="trials_counted",
    ),
    CheckConstraint("declared IN (0, 1)", name="declared_known"),
    CheckConstraint("(declared IS NULL) = (judged_at_us IS NULL)", name="judged"),
    CheckConstraint("declared = 0 OR winner_n IS NOT NULL", name="winner_named"),
    CheckConstraint("spent_s >= 0 AND spent_s < 1e300", name="spent_s_range"),
    CheckConstraint("length(runner) BETWEEN 1 AND 200", name="runner_length"),
    finite("best_value"),
    moment("created_at_us"),
    *json_checks("spec", "report"),
)

# A fold is searched on its training rows; its choice and all its trials are then
# evaluated on its test rows. `ended` says why no more is tried in it.
study_folds = table(
    "study_folds",
    Column("study_id", Count, ForeignKey("studies.id"), primary_key=True, autoincrement=False),
    Column("fold", Count, primary_key=True, autoincrement=False),
    Column("trials", Count, nullable=False, server_default=text("0")),
    Column("chosen_n", Count),
    Column("value", Real),
    Column("oos_value", Real),
    Column("ended", Text),
    Column("ended_at_us", Micros),
    CheckConstraint("fold > 0", name="fold_positive"),
    CheckConstraint("trials >= 0", name="trials_counted"),
    CheckConstraint("(ended IS NULL) = (ended_at_us IS NULL)", name="ended_named"),
    finite("value"),
    finite("oos_value"),
)

# Which rows a part of a fold has, of which data: its results are those of `digest`,
# which is the data's own where the part is all of them. Rows count from 0.
study_parts = table(
    "study_parts",
    Column("study_id", Count, primary_key=True, autoincrement=False),
    Column("fold", Count, primary_key=True, autoincrement=False),
    Column("symbol", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("first_row", Count, nullable=False),
    Column("last_row", Count, nullable=False),
    Column("digest", Text, nullable=False),
    Column("data_digest", Text, nullable=False),
    Column("data_file", Text, nullable=False),
    ForeignKeyConstraint(["study_id", "fold"], ["study_folds.study_id", "study_folds.fold"]),
    Index("ix_study_parts_data_digest", "data_digest"),
    one_of("part", PARTS),
    CheckConstraint("length(symbol) BETWEEN 1 AND 64", name="symbol_length"),
    CheckConstraint("first_row >= 0 AND first_row <= last_row", name="rows"),
)

# One row a proposal: `cell` names the point of the domain, which no fold has twice.
# `n` counts the folds in turn, so that a larger budget gives the same numbers.
trials = table(
    "trials",
    Column("study_id", Count, primary_key=True, autoincrement=False),
    Column("n", Count, primary_key=True, autoincrement=False),
    Column("fold", Count, nullable=False),
    Column("batch", Count, nullable=False),
    Column("state", Text, nullable=False),
    Column("params", Json, nullable=False),
    Column("cell", Text, nullable=False),
    Column("known", Count, nullable=False, server_default=text("0")),
    Column("value", Real),
    Column("objectives", Json),
    Column("violation", Real),
    Column("oos_value", Real),
    Column("rank", Count),
    Column("oos_rank", Count),
    Column("robust_rank", Count),
    Column("robust_score", Real),
    Column("error", Text),
    ForeignKeyConstraint(["study_id", "fold"], ["study_folds.study_id", "study_folds.fold"]),
    UniqueConstraint("study_id", "fold", "cell"),
    Index("ix_trials_study_id_fold_rank", "study_id", "fold", "rank"),
    one_of("state", TRIAL_STATES),
    CheckConstraint("n > 0", name="n_positive"),
    CheckConstraint("batch > 0", name="batch_positive"),
    CheckConstraint("known IN (0, 1)", name="known_known"),
    CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="error_named"),
    CheckConstraint("violation >= 0 AND violation < 1e300", name="violation_range"),
    finite("value"),
    finite("oos_value"),
    *json_checks("params", "objectives"),
)

# Which results a trial has: one for each symbol and part that it was evaluated on.
trial_results = table(
    "trial_results",
    Column("study_id", Count, primary_key=True, autoincrement=False),
    Column("n", Count, primary_key=True, autoincrement=False),
    Column("symbol", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("result_key", Text, ForeignKey("results.key"), nullable=False),
    ForeignKeyConstraint(["study_id", "n"], ["trials.study_id", "trials.n"]),
    Index("ix_trial_results_result_key", "result_key"),
    one_of("part", PARTS),
    clustered=True,
)

# Why a study was run anew, or why it was not: what was seen each time somebody looked.
study_triggers = table(
    "study_triggers",
    Column("id", Count, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at_us", Micros, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fired", Count, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("study_id", Count, ForeignKey("studies.id")),
    Column("started_study_id", Count, ForeignKey("studies.id")),
    Index("ix_study_triggers_name_id", "name", "id"),
    CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
    CheckConstraint("length(kind) BETWEEN 1 AND 64", name="kind_length"),
    CheckConstraint("fired IN (0, 1)", name="fired_known"),
    moment("at_us"),
    *json_checks("evidence"),
)
