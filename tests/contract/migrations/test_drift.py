"""Whatever somebody changes by hand is found, and named: on each database, object by object."""

import pytest

from daemon.store import migrate, structure
from daemon.store.store import Store

VIEW = "CREATE VIEW decision_log AS SELECT seq FROM decisions"

SQLITE = {
    "an index that is gone": (
        ["DROP INDEX ix_events_kind_seq"],
        {"index ix_events_kind_seq": "missing"},
    ),
    "an index of one's own": (
        ["CREATE INDEX mine ON events (ref)"],
        {"index mine": "not ours"},
    ),
    "another condition of a partial index": (
        [
            "DROP INDEX uq_changes_one_open",
            "CREATE UNIQUE INDEX uq_changes_one_open ON changes (rule) WHERE state IN ('applying')",
        ],
        {"index uq_changes_one_open": "changed"},
    ),
    "an index that is not unique any more": (
        [
            "DROP INDEX uq_changes_one_open",
            (
                "CREATE INDEX uq_changes_one_open ON changes (rule) WHERE"
                " state IN ('applying', 'observing', 'rolling_back', 'stuck')"
            ),
        ],
        {"index uq_changes_one_open": "changed"},
    ),
    "a trigger that is gone": (
        ["DROP TRIGGER decisions_no_update"],
        {"trigger decisions_no_update": "missing"},
    ),
    "a trigger that does nothing": (
        [
            "DROP TRIGGER decisions_no_update",
            "CREATE TRIGGER decisions_no_update BEFORE UPDATE ON decisions BEGIN SELECT 1; END",
        ],
        {"trigger decisions_no_update": "changed"},
    ),
    "a trigger of one's own": (
        ["CREATE TRIGGER mine AFTER INSERT ON events BEGIN DELETE FROM samples; END"],
        {"trigger mine": "not ours"},
    ),
    "a view that is gone": (["DROP VIEW leaderboard"], {"view leaderboard": "missing"}),
    "a view that says something else": (
        ["DROP VIEW decision_log", VIEW],
        {"view decision_log": "changed"},
    ),
    "a column of one's own": (
        ["ALTER TABLE events ADD COLUMN mine TEXT"],
        {"table events": "changed"},
    ),
    "a table that is gone": (
        ["DROP TABLE imported_lines"],
        {"table imported_lines": "missing", "index ix_imported_lines_kind_ref": "missing"},
    ),
}

REBUILT = {
    "a check that is gone": (
        "CONSTRAINT ck_events_kind_length CHECK (length(kind) BETWEEN 1 AND 64)",
        "CONSTRAINT ck_events_x CHECK (1)",
        "ck_events_kind_length",
    ),
    "another text of a check": ("BETWEEN 1 AND 64", "BETWEEN 0 AND 65", "BETWEEN 0 AND 65"),
    "another default": ("DEFAULT 0", "DEFAULT 7", "DEFAULT 7"),
    "a column that may be empty": ("kind TEXT NOT NULL", "kind TEXT", "kind TEXT NOT NULL"),
    "another type": ("ref TEXT", "ref ANY", "ref ANY"),
    "a table that takes any type": (" STRICT", "", "STRICT"),
    "a key that is not unique": (
        "CONSTRAINT uq_events_hash UNIQUE (hash)",
        "CONSTRAINT ck_events_x CHECK (1)",
        "uq_events_hash",
    ),
}

POSTGRES = {
    "a check that is gone": (
        ["ALTER TABLE events DROP CONSTRAINT ck_events_kind_length"],
        {"constraint events.ck_events_kind_length": "missing"},
    ),
    "another text of a check": (
        [
            "ALTER TABLE events DROP CONSTRAINT ck_events_kind_length",
            "ALTER TABLE events ADD CONSTRAINT ck_events_kind_length CHECK (length(kind) < 99)",
        ],
        {"constraint events.ck_events_kind_length": "changed"},
    ),
    "a check that was not asked of the rows": (
        [
            "ALTER TABLE events DROP CONSTRAINT ck_events_kind_length",
            (
                "ALTER TABLE events ADD CONSTRAINT ck_events_kind_length"
                " CHECK (length(kind) >= 1 AND length(kind) <= 64) NOT VALID"
            ),
        ],
        {"constraint events.ck_events_kind_length": "changed"},
    ),
    "a reference that is gone": (
        ["ALTER TABLE deltas DROP CONSTRAINT fk_deltas_change_id"],
        {"constraint deltas.fk_deltas_change_id": "missing"},
    ),
    "an index that is gone": (
        ["DROP INDEX ix_events_kind_seq"],
        {"index events.ix_events_kind_seq": "missing"},
    ),
    "an index of one's own": (
        ["CREATE INDEX mine ON events (ref)"],
        {"index events.mine": "not ours"},
    ),
    "another condition of a partial index": (
        [
            "DROP INDEX uq_changes_one_open",
            "CREATE UNIQUE INDEX uq_changes_one_open ON changes (rule) WHERE state = 'applying'",
        ],
        {"index changes.uq_changes_one_open": "changed"},
    ),
    "a trigger that is gone": (
        ["DROP TRIGGER decisions_append_only ON decisions"],
        {"trigger decisions.decisions_append_only": "missing"},
    ),
    "a trigger that is switched off": (
        ["ALTER TABLE decisions DISABLE TRIGGER decisions_append_only"],
        {"trigger decisions.decisions_append_only": "changed"},
    ),
    "a trigger that lets some through": (
        [
            "DROP TRIGGER decisions_append_only ON decisions",
            (
                "CREATE TRIGGER decisions_append_only BEFORE DELETE OR TRUNCATE ON decisions"
                " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()"
            ),
        ],
        {"trigger decisions.decisions_append_only": "changed"},
    ),
    "a guard that lets everybody through": (
        [
            (
                "CREATE OR REPLACE FUNCTION refuse_change_of_history() RETURNS trigger"
                " LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
            )
        ],
        {"function refuse_change_of_history.refuse_change_of_history": "changed"},
    ),
    "a view that is gone": (
        ["DROP VIEW leaderboard"],
        {"view leaderboard.leaderboard": "missing"},
    ),
    "a view that says something else": (
        ["DROP VIEW decision_log", VIEW],
        {"view decision_log.decision_log": "changed"},
    ),
    "a column of one's own": (
        ["ALTER TABLE events ADD COLUMN mine TEXT"],
        {"column events.mine": "not ours"},
    ),
    "another type": (
        ["ALTER TABLE freezes ALTER COLUMN duration_s TYPE real"],
        {"column freezes.duration_s": "changed"},
    ),
    "a column that may be empty": (
        ["ALTER TABLE events ALTER COLUMN kind DROP NOT NULL"],
        {"column events.kind": "changed"},
    ),
    "another default": (
        ["ALTER TABLE events ALTER COLUMN epoch SET DEFAULT 7"],
        {"column events.epoch": "changed"},
    ),
    "no default": (
        ["ALTER TABLE events ALTER COLUMN epoch DROP DEFAULT"],
        {"column events.epoch": "changed"},
    ),
}


def found(store):
    return {one.name: one.what for one in structure.drift(store)}


@pytest.mark.parametrize("what", SQLITE)
def test_a_planted_drift_is_found_and_named_on_sqlite(sqlite_backend, what):
    statements, expected = SQLITE[what]
    with sqlite_backend.opened() as store:
        assert found(store) == {}
        with store.write() as tx:
            for statement in statements:
                tx.exec_driver_sql(statement)
        assert found(store) == expected


@pytest.mark.parametrize("what", REBUILT)
def test_a_table_that_was_built_otherwise_is_found_on_sqlite(sqlite_backend, what):
    """As somebody would who cannot alter a table: the text of the schema itself."""
    old, new, shown = REBUILT[what]
    with sqlite_backend.opened() as store:
        with store.write() as tx:
            query = "SELECT sql FROM sqlite_master WHERE name = 'events'"
            written = " ".join(tx.exec_driver_sql(query).scalar_one().split())
            changed = written.replace(old, new)
            assert changed != written, written
            for trigger in ("update", "delete", "replace"):
                tx.exec_driver_sql(f"DROP TRIGGER events_no_{trigger}")
            tx.exec_driver_sql("DROP TABLE events")
            tx.exec_driver_sql(changed)
        (table, *_) = [one for one in structure.drift(store) if one.name.startswith("table")]
    assert (table.name, table.what) == ("table events", "changed")
    assert shown in table.difference


def in_groups(cases):
    """Put cases that touch different objects together: a copy of a database takes a while."""
    groups = []
    for statements, expected in cases:
        for group in groups:
            if not expected.keys() & group[1].keys():
                group[0].extend(statements)
                group[1].update(expected)
                break
        else:
            groups.append(([*statements], {**expected}))
    return groups


@pytest.mark.postgres
@pytest.mark.parametrize(("statements", "expected"), in_groups(POSTGRES.values()))
def test_every_planted_drift_is_found_and_named_on_postgres(
    postgresql_backend, statements, expected
):
    url = postgresql_backend.clone()
    with Store.open(url) as store:
        assert found(store) == {}
        with store.write() as tx:
            for statement in statements:
                tx.exec_driver_sql(statement)
        assert found(store) == expected
    postgresql_backend.drop(url)


def test_a_difference_is_told_in_the_words_of_the_database(own_url):
    with Store.open(own_url) as store:
        with store.write() as tx:
            tx.exec_driver_sql("DROP VIEW decision_log")
            tx.exec_driver_sql(VIEW)
        (drift,) = structure.drift(store)
    assert "explanation" in drift.difference
    assert drift.expected != drift.found
    assert drift.difference.startswith("- ")
    assert "; + " in drift.difference


def test_looking_for_drift_changes_nothing(shared):
    with shared.read() as view:
        before = structure.describe(view)
    assert structure.drift(shared) == structure.drift(shared) == []
    with shared.read() as view:
        assert structure.describe(view) == before
        if shared.dialect == "postgresql":
            query = "SELECT count(*) FROM pg_namespace WHERE nspname = 'daemon_structure_check'"
            assert view.exec_driver_sql(query).scalar_one() == 0


@pytest.mark.postgres
def test_a_database_in_another_schema_of_postgres_is_described_alike(postgresql_backend):
    url = postgresql_backend.create()
    with Store.open(f"{url}&options=-csearch_path%3Dours") as store:
        with store.write() as tx:
            tx.exec_driver_sql("CREATE SCHEMA ours")
        migrate.upgrade(store)
        assert found(store) == {}
    with Store.open(url) as store, store.read() as view:
        assert structure.describe(view) == {}, "nothing of it stands in the other schema"
    postgresql_backend.drop(url)
