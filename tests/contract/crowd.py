"""A database with many rows, written by the database itself: for plans, not for meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.store.store import Store

ROWS = 20_000

ZEROS = "0" * 64
NUMBERS = (
    "WITH RECURSIVE n(i) AS"
    f" (SELECT cast(1 as bigint) UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
)
HASH = f"substr('{ZEROS}' || i, length(cast(i as text)) + 1)"
LINKS = f"'{ZEROS}', {HASH}"
RULE = "'rule' || (i % 8)"

STATEMENTS = [
    (
        "INSERT INTO signals (id, name, created_at_us)"
        " VALUES (1, 's1', 0), (2, 's2', 0), (3, 's3', 0), (4, 's4', 0)"
    ),
    f"INSERT INTO samples {NUMBERS} SELECT 1 + i % 4, i * 1000000, i FROM n",
    f"INSERT INTO sample_faults {NUMBERS} SELECT 1 + i % 4, i * 1000000, 'future', 1 FROM n",
    (
        "INSERT INTO rules (name, value, init, min_value, max_value, step, weight)"
        f" {NUMBERS} SELECT 'rule' || i, 1, 1, 0, 2, 1, 1 FROM n WHERE i < 8"
    ),
    (
        "INSERT INTO changes (id, idempotency_key, origin, rule, old, new, state,"
        f" opened_at_us, settled_at_us) {NUMBERS}"
        f" SELECT i, 'k' || i, 'loop', {RULE}, 1, 2,"
        f" case when i > {ROWS} - 4 then 'observing' else 'kept' end, i,"
        f" case when i > {ROWS} - 4 then null else i end FROM n"
    ),
    (
        "INSERT INTO deltas (change_id, signal_id, trial, at_us, verdict)"
        f" {NUMBERS} SELECT i, 1 + i % 4, 1, i, 'better' FROM n"
    ),
    (
        "INSERT INTO decisions (seq, at_us, mode, kind, rule, reason, explanation, change_id,"
        f" prev_hash, hash) {NUMBERS}"
        f" SELECT i, i, 'live', 'hold', {RULE}, 'r', 'e', i, {LINKS} FROM n"
    ),
    f"INSERT INTO decision_repeats {NUMBERS} SELECT i, 1, i FROM n",
    (
        "INSERT INTO change_events (seq, change_id, at_us, to_state, cause, actor, prev_hash, hash)"
        f" {NUMBERS} SELECT i, i, i, 'applying', 'c', 'a', {LINKS} FROM n"
    ),
    (
        "INSERT INTO rule_history (seq, at_us, rule, new, actor, change_id, prev_hash, hash)"
        f" {NUMBERS} SELECT i, i, {RULE}, 1, 'a', i, {LINKS} FROM n"
    ),
    (
        "INSERT INTO freezes (id, rule, starts_at_us, ends_at_us, reason, owner, created_at_us,"
        f" removed_at_us) {NUMBERS} SELECT i, {RULE}, i, i + 1, 'r', 'o', i, i FROM n"
    ),
    (
        "INSERT INTO commands (id, key, kind, args, actor, at_us, state, exit_code, done_at_us)"
        f" {NUMBERS} SELECT i, 'k' || i, 'apply', '{{}}', 'a', i, 'done', 0, i FROM n"
    ),
    (
        "INSERT INTO alerts (id, at_us, kind, key, severity, text, state, last_at_us,"
        f" sent_at_us, resolved_at_us) {NUMBERS}"
        " SELECT i, i, 'stuck', 'k' || (i % 8), 'warn', 't', 'sent', i, i, i FROM n"
    ),
    (
        "INSERT INTO proposals (id, at_us, origin, state, base, target)"
        f" {NUMBERS} SELECT i, i, 'loop', 'applied', '{{}}', '{{}}' FROM n"
    ),
    (
        "INSERT INTO sessions (id, name, state, spec, data_file, jobs_total, created_at_us)"
        f" {NUMBERS} SELECT i, 's', 'done', '{{}}', 'f', 2, i FROM n WHERE i <= 20"
    ),
    (
        "INSERT INTO results (key, at_us, engine_version, data_digest, params, status)"
        f" {NUMBERS} SELECT 'k' || i, i, '1', 'd', '{{}}', 'success' FROM n"
    ),
    (
        "INSERT INTO jobs (session_id, n, job_id, state, params, result_key)"
        f" {NUMBERS} SELECT 1 + i % 20, i, 'j' || i, 'done', '{{}}', 'k' || i FROM n"
    ),
    (
        "INSERT INTO rankings (session_id, rank, n, at_us)"
        f" {NUMBERS} SELECT 1 + i % 20, i, i, i FROM n"
    ),
    f"UPDATE chains SET seq = {ROWS} WHERE stream <> 'events'",
    "ANALYZE",
]
"""The same on every database but for JSON, which Postgres wants told that it is one."""


def fill(store: Store) -> None:
    with store.write() as tx:
        raw = tx.execution_options(no_parameters=True)
        for statement in STATEMENTS:
            if statement == "ANALYZE" and store.dialect == "sqlite":
                continue  # a daemon's file has no statistics either
            json = "cast('{}' as jsonb)" if store.dialect == "postgresql" else "'{}'"
            raw.exec_driver_sql(statement.replace("'{}'", json))
