"""What the database refuses by itself, whoever writes to it."""

import json

import pytest
from sqlalchemy import CheckConstraint, insert, text

from daemon.clock import MAX_MICROS
from daemon.errors import StoreError
from daemon.store import chain, changes, history, rules, samples
from daemon.store.changes import Delta
from daemon.store.tables import APPEND_ONLY, metadata
from daemon.tuning.vocabulary import ChangeState
from tests.contract.rows import T0, decision, event, move, new_change, rows_of, rule_set
from tests.contract.sound_rows import SOUND

BAD = {
    "range": [-1, MAX_MICROS + 1],
    "known": ["forged", ""],
    "finite": [1e300, -1e300],
    "length": ["", "x" * 201],
    "positive": [0, -1],
}
"""Values that a check refuses, by the last word of its name."""

OTHERS = {
    "ck_alerts_attempts_counted": {"attempts": -1},
    "ck_alerts_due": {"state": "pending"},
    "ck_alerts_last_at_us_range": {"last_at_us": -1},
    "ck_calibrations_order": {"from_us": T0 + 1},
    "ck_calibrations_from_us_range": {"from_us": -1},
    "ck_calibrations_to_us_range": {"to_us": MAX_MICROS + 1},
    "ck_calibrations_quiet_s_range": {"quiet_s": -1.0},
    "ck_calibrations_placebos_counted": {"placebos": -1},
    "ck_calibrations_override_named": {"override_reason": "because"},
    "ck_calibrations_override_reason_length": {"override_reason": "", "override_by": "me"},
    "ck_changes_settled": {"settled_at_us": T0},
    "ck_commands_answered": {"exit_code": None},
    "ck_commands_exit_code_range": {"exit_code": 256},
    "ck_commands_finished": {"state": "pending"},
    "ck_commands_taken_by": {"state": "running", "exit_code": None, "done_at_us": None},
    "ck_freezes_kill_of_all": {"kind": "kill", "rule": "r"},
    "ck_freezes_order": {"ends_at_us": T0},
    "ck_freezes_recurrence": {"cron": "* * * * *"},
    "ck_job_blocks_failed_of": {"failed": 2},
    "ck_job_blocks_jobs_positive": {"jobs": 0},
    "ck_lease_beat_at_us_range": {"beat_at_us": -1},
    "ck_lease_beat_counted": {"beat": -1},
    "ck_lease_since_us_range": {"since_us": MAX_MICROS + 1},
    "ck_lease_ttl_s_range": {"ttl_s": 0.0},
    "ck_memory_only_one": {"id": 2},
    "ck_rules_bounds": {"min_value": 3.0},
    "ck_rules_min_value_finite": {"min_value": -1e300},
    "ck_rules_max_value_finite": {"max_value": 1e300},
    "ck_sample_rollups_lo_hi": {"lo": 2.0},
    "ck_sessions_job_counts": {"jobs_done": 2, "jobs_failed": 1},
    "ck_results_error_named": {"status": "error"},
    "ck_result_blocks_failed_of": {"failed": -1},
    "ck_result_blocks_jobs_positive": {"jobs": 0},
    "ck_session_runners_heartbeat_at_us_range": {"heartbeat_at_us": -1},
    "ck_session_runners_shard_of": {"shard": 1},
    "ck_session_runners_started_at_us_range": {"started_at_us": -1},
    "ck_sessions_identity_length": {"identity": "d"},
    "ck_sessions_jobs_evaluated_counted": {"jobs_evaluated": -1},
    "ck_signal_states_since_us_range": {"since_us": -1},
    "ck_signals_period_s_range": {"period_s": 0.0},
    "ck_studies_declared_known": {"declared": 2, "judged_at_us": T0, "winner_n": 1},
    "ck_studies_judged": {"judged_at_us": T0},
    "ck_studies_spent_s_range": {"spent_s": -1.0},
    "ck_studies_trials_counted": {"trials_known": -1},
    "ck_studies_winner_named": {"declared": 1, "judged_at_us": T0},
    "ck_study_folds_ended_named": {"ended": "why"},
    "ck_study_folds_oos_value_finite": {"oos_value": 1e300},
    "ck_study_folds_trials_counted": {"trials": -1},
    "ck_study_parts_rows": {"first_row": 100},
    "ck_study_triggers_fired_known": {"fired": 2},
    "ck_submissions_ended": {"ended_at_us": T0},
    "ck_submissions_tries_counted": {"tries": -1},
    "ck_trials_error_named": {"state": "failed"},
    "ck_trials_known_known": {"known": -1},
    "ck_trials_oos_value_finite": {"oos_value": -1e300},
    "ck_trials_violation_range": {"violation": -1.0},
    "ck_studies_best_value_finite": {"best_value": 1e300},
    "ck_studies_trials_total_positive": {"trials_total": 0},
    "ck_studies_identity_length": {"identity": "d"},
    "ck_studies_created_at_us_range": {"created_at_us": -1},
    "ck_studies_runner_length": {"runner": ""},
}

CHECKS = {
    constraint.name: table.name
    for table in metadata.tables.values()
    for constraint in table.constraints
    if isinstance(constraint, CheckConstraint) and not constraint.name.endswith("_json")
}


def spoiled(check, table):
    """Rows that are sound but for what one check looks at."""
    if check in OTHERS:
        return [{**SOUND[table], **OTHERS[check]}]
    column, _, word = check.removeprefix(f"ck_{table}_").rpartition("_")
    return [{**SOUND[table], column: value} for value in BAD[word]]


def refusal(store, table, row):
    """Offer a row to the database itself, past our types, and take it back whatever it says."""
    with store.engines.writer.connect() as connection:
        try:
            with store.translated():
                names = ", ".join(row)
                marks = ", ".join(f":{name}" for name in row)
                statement = text(f"INSERT INTO {table} ({names}) VALUES ({marks})")
                written = {
                    name: json.dumps(value) if isinstance(value, dict | list) else value
                    for name, value in row.items()
                }
                connection.execute(statement, written)
        except StoreError as error:
            return error.message
        finally:
            connection.rollback()
    return "taken"


def test_every_check_refuses_what_it_is_there_for(store):
    """By name: the database that refuses for another reason has not been asked this one."""
    for check, table in CHECKS.items():
        for row in spoiled(check, table):
            assert f"{check}" in refusal(store, table, row), row


def test_every_sound_row_is_taken(store):
    """Else the test above would prove nothing."""
    order = [table.name for table in metadata.sorted_tables if table.name != "chains"]
    assert sorted(order) == sorted(SOUND)
    with store.write() as tx:
        for table in sorted(order, key=lambda name: (name == "rankings", order.index(name))):
            tx.execute(insert(metadata.tables[table]).values(SOUND[table]))


def test_a_column_that_must_be_there_is_asked_for(store):
    for name, table in metadata.tables.items():
        counted = {column.name for column in table.primary_key if len(table.primary_key) == 1}
        for column in table.columns:
            if column.nullable or column.name in counted or name == "chains":
                continue
            message = refusal(store, name, {**SOUND[name], column.name: None}).lower()
            assert "not null" in message or "not-null" in message, (name, column.name, message)


@pytest.mark.parametrize("value", ["'abc'", "x'00'", "NULL"])
def test_a_column_of_sqlite_takes_its_type_and_nothing_else(sqlite_backend, value):
    with (
        sqlite_backend.opened() as store,
        pytest.raises(StoreError, match=r"cannot store|NOT NULL"),
        store.write() as tx,
    ):
        tx.exec_driver_sql(f"INSERT INTO samples VALUES (1, 1, {value})")


def fill(store):
    """One row in every append-only table."""
    with store.write() as tx:
        history.append(tx, decision())
        history.append(tx, rule_set())
        history.append(tx, event())
        samples.declare(tx, ["s"], T0)
        number = changes.open_change(tx, new_change(), ChangeState.APPLYING, move())
        changes.add_deltas(tx, [Delta(change_id=number, signal_id=1, at_us=T0, verdict="better")])
        rules.adopt_policy(tx, rules.Policy(digest="d" * 64, body={}), [], T0)
        for name in ("risk_ledger", "evidence", "calibrations"):
            tx.execute(insert(metadata.tables[name]).values(SOUND[name]))


def attempts(table, dialect):
    column = table.columns["at_us"].name
    yield f"UPDATE {table.name} SET {column} = {column}"
    yield f"UPDATE {table.name} SET {column} = {column} WHERE {column} = {T0}"
    yield f"DELETE FROM {table.name}"
    if dialect == "postgresql":
        yield f"TRUNCATE {table.name} CASCADE"
        yield f"DELETE FROM {table.name} WHERE false"
        return
    yield f"INSERT OR REPLACE INTO {table.name} SELECT * FROM {table.name}"
    yield f"REPLACE INTO {table.name} SELECT * FROM {table.name}"


def test_rows_of_history_are_neither_changed_nor_removed_nor_replaced(store):
    fill(store)
    for table in APPEND_ONLY:
        before = rows_of(store, table)
        assert len(before) == 1, table.name
        for statement in attempts(table, store.dialect):
            refused = pytest.raises(StoreError, match=f"{table.name} is append-only")
            with refused, store.write() as tx:
                tx.execute(text(statement))
        assert rows_of(store, table) == before
    with store.read() as view:
        assert all(not chain.verify(view, stream).breaks for stream in chain.STREAMS.values())


@pytest.mark.postgres
def test_a_truncate_that_cascades_does_not_reach_history(postgresql_backend):
    with postgresql_backend.opened() as store:
        fill(store)
        for table in ("changes", "signals", "policies"):
            refused = pytest.raises(StoreError, match="is append-only: TRUNCATE refused")
            with refused, store.write() as tx:
                tx.exec_driver_sql(f"TRUNCATE {table} CASCADE")


def test_a_row_that_others_refer_to_stays(store):
    fill(store)
    for statement in ("DELETE FROM changes", "DELETE FROM signals"):
        with pytest.raises(StoreError, match=r"(?i)foreign key"), store.write() as tx:
            tx.exec_driver_sql(statement)
