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

LINKS = {"prev_hash": "a" * 64, "hash": "b" * 64}
DECISION = {
    "seq": 1,
    "at_us": T0,
    "mode": "live",
    "kind": "hold",
    "reason": "r",
    "explanation": "",
    **LINKS,
}
CHANGE = {
    "idempotency_key": "k",
    "origin": "loop",
    "rule": "r",
    "old": 1.0,
    "new": 2.0,
    "state": "applying",
    "opened_at_us": T0,
}
SESSION = {
    "name": "n",
    "state": "planned",
    "spec": {},
    "data_file": "f",
    "jobs_total": 2,
    "created_at_us": T0,
}
RESULT = {
    "key": "k",
    "at_us": T0,
    "engine_version": "1",
    "data_digest": "d",
    "params": {},
    "status": "success",
}
RULE = {
    "name": "r",
    "value": 1.0,
    "init": 1.0,
    "min_value": 0.0,
    "max_value": 2.0,
    "step": 0.1,
    "weight": 1.0,
}
EVENT = {"seq": 1, "at_us": T0, "kind": "x", **LINKS}
SOUND = {
    "decisions": DECISION,
    "changes": CHANGE,
    "sessions": SESSION,
    "results": RESULT,
    "rules": RULE,
    "events": EVENT,
    "change_events": {
        "seq": 1,
        "change_id": 1,
        "at_us": T0,
        "to_state": "applying",
        "cause": "c",
        "actor": "a",
        **LINKS,
    },
    "rule_history": {"seq": 1, "at_us": T0, "rule": "r", "new": 1.0, "actor": "a", **LINKS},
    "decision_repeats": {"seq": 1, "n": 1, "last_at_us": T0},
    "proposals": {
        "at_us": T0,
        "origin": "loop",
        "state": "pending",
        "base": {},
        "target": {},
    },
    "policies": {"digest": "d" * 64, "at_us": T0, "body": {}},
    "signals": {"name": "s", "created_at_us": T0},
    "samples": {"signal_id": 1, "at_us": T0, "value": 1.0},
    "sample_rollups": {
        "signal_id": 1,
        "res_s": 10,
        "bucket_us": T0,
        "n": 1,
        "mean": 1.0,
        "m2": 0.0,
        "lo": 1.0,
        "hi": 1.0,
    },
    "sample_faults": {"signal_id": 1, "bucket_us": T0, "fault": "future", "n": 1},
    "freezes": {"starts_at_us": T0, "reason": "r", "owner": "o", "created_at_us": T0},
    "risk_ledger": {"at_us": T0, "severity": "info"},
    "evidence": {"at_us": T0, "author": "a"},
    "imported_lines": {"line_key": "a" * 64, "kind": "k", "ref": 1, "imported_at_us": T0},
    "jobs": {"session_id": 1, "n": 1, "job_id": "j", "state": "pending", "params": {}},
    "rankings": {"session_id": 1, "rank": 1, "n": 1, "at_us": T0},
    "session_runners": {
        "session_id": 1,
        "shard": 0,
        "shards": 1,
        "runner": "me",
        "started_at_us": T0,
        "heartbeat_at_us": T0,
    },
    "result_blocks": {
        "key": "k",
        "at_us": T0,
        "engine_version": "1",
        "data_digest": "d",
        "jobs": 1,
        "failed": 0,
        "encoding": "npz",
        "data": b"x",
    },
    "job_blocks": {"session_id": 1, "first_n": 1, "jobs": 1, "failed": 0, "block_key": "k"},
    "deltas": {"change_id": 1, "signal_id": 1, "trial": 1, "at_us": T0, "verdict": "better"},
    "calibrations": {
        "at_us": T0,
        "policy": "d" * 64,
        "outcome": "green",
        "from_us": T0,
        "to_us": T0,
        "quiet_s": 0.0,
        "placebos": 39,
        "reasons": [],
        "warnings": [],
        "signals": [],
    },
    "lease": {
        "name": "leader",
        "epoch": 1,
        "holder": "h",
        "beat": 0,
        "ttl_s": 15.0,
        "since_us": T0,
        "beat_at_us": T0,
        "about": {},
    },
    "commands": {
        "key": "k",
        "kind": "apply",
        "args": {},
        "actor": "me",
        "at_us": T0,
        "state": "done",
        "exit_code": 0,
        "done_at_us": T0,
    },
    "memory": {"id": 1, "at_us": T0, "block": 1, "mode": "live", "epoch": 1, "state": {}},
    "source_marks": {"source": "s", "mark": {}, "at_us": T0},
    "signal_states": {"signal_id": 1, "state": "ok", "since_us": T0},
    "chores": {"name": "prune"},
    "alerts": {
        "at_us": T0,
        "kind": "stuck",
        "key": "k",
        "severity": "crit",
        "text": "t",
        "state": "sent",
        "last_at_us": T0,
    },
}

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
