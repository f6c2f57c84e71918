"""What stops an upgrade that should not be, and what one leaves behind that fails."""

import os
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

import daemon
from daemon.errors import Exit, SchemaMismatch, StoreError
from daemon.store import history, migrate, structure
from daemon.store.engine import Options
from daemon.store.store import Store
from daemon.store.tables import events
from tests.contract.rows import event, rows_of

KNOWN = [revision.id for revision in migrate.revisions(None)]
HEAD = KNOWN[-1]


@pytest.fixture
def empty(empty_url):
    with Store.open(empty_url) as store:
        yield store


@pytest.fixture
def newest(own_url):
    with Store.open(own_url) as store:
        yield store


def set_version(store, version):
    with store.write() as tx:
        tx.execute(text(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '{version}'"))


# ── who may open what ────────────────────────────────────────────────────────
def test_a_database_that_fits_is_let_in(shared):
    migrate.require_current(shared)


def test_a_newer_schema_is_refused_by_every_door(newest):
    set_version(newest, "0999")
    for act in (
        migrate.require_current,
        migrate.upgrade,
        lambda store: migrate.downgrade(store, "base"),
    ):
        with pytest.raises(SchemaMismatch, match="0999, which is newer than this") as raised:
            act(newest)
        assert daemon.__version__ in raised.value.message
        assert HEAD in raised.value.message
        assert newest.name in raised.value.message
        assert "install the newer version" in raised.value.hint
        assert raised.value.exit_code == Exit.CONFIG
    assert structure.drift(newest) == [], "nothing was touched"


@pytest.mark.parametrize("have", KNOWN[:-1])
def test_an_older_schema_is_refused_with_the_command_that_upgrades_it(sqlite_url, have):
    with Store.open(sqlite_url) as store:
        migrate.upgrade(store, have)
        with pytest.raises(SchemaMismatch, match=f"at schema {have}; .* needs {HEAD}") as raised:
            migrate.require_current(store)
        assert "daemon db upgrade" in raised.value.hint
        migrate.upgrade(store)
        migrate.require_current(store)


def test_a_database_without_schema_is_refused(empty):
    with empty.write() as tx:
        tx.exec_driver_sql("CREATE TABLE mine (id INTEGER)")
    with pytest.raises(SchemaMismatch, match="has no schema of the daemon") as raised:
        migrate.require_current(empty)
    assert "daemon db upgrade" in raised.value.hint


# ── an upgrade that fails ────────────────────────────────────────────────────
FAILING = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{revision}", "{before}"
branch_labels = depends_on = None


def upgrade():
    op.create_table("half_done", sa.Column("id", sa.Integer))
    op.execute("INSERT INTO half_done VALUES (1)")
    op.execute("UPDATE chains SET seq = 99")
    op.drop_table("imported_lines")
    {fault}


def downgrade():
    op.create_table("half_undone", sa.Column("id", sa.Integer))
    {fault}
"""

FAULTS = {
    "of the database": ('op.execute("INSERT INTO no_such_table VALUES (1)")', StoreError),
    "of the program": ("raise ZeroDivisionError", ZeroDivisionError),
}


def planted(folder: Path, fault: str):
    """Run an Alembic command with one more folder of revisions: ours, and one that fails."""
    words = FAILING.format(revision="0900", before=HEAD, fault=fault)
    (folder / "0900_failing.py").write_text(textwrap.dedent(words))
    ours = migrate.home() / "migrations" / "versions"

    def configure(config):
        config.set_main_option("version_locations", f"{ours}{os.pathsep}{folder}")

    def upgrade(config):
        configure(config)
        command.upgrade(config, "head")

    return upgrade


def snapshot(store):
    with store.read() as view:
        tables = (
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
            if store.dialect == "sqlite"
            else "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        )
        return (
            list(view.execute(text(tables)).scalars()),
            structure.describe(view),
            migrate.current(view),
            [tuple(row) for row in view.execute(text("SELECT * FROM chains ORDER BY 1"))],
        )


@pytest.mark.parametrize("fault", FAULTS)
def test_an_upgrade_that_fails_halfway_leaves_the_database_as_it_was(newest, tmp_path, fault):
    statement, kind = FAULTS[fault]
    with newest.write() as tx:
        history.append(tx, event())
    before = snapshot(newest)
    with pytest.raises(kind):
        migrate._move(newest, planted(tmp_path, statement), None)
    assert snapshot(newest) == before
    with newest.write() as tx:
        assert history.append(tx, event()) == 2, "and usable at once"


def test_a_first_upgrade_that_fails_leaves_an_empty_database(empty, tmp_path):
    """All revisions are one transaction: the sound ones before the failing one go, too."""
    statement, kind = FAULTS["of the database"]
    with pytest.raises(kind, match="no_such_table"):
        migrate._move(empty, planted(tmp_path, statement), None)
    with empty.write() as tx:
        assert structure.describe(tx) == {}
        assert migrate.current(tx) is None
    assert migrate.upgrade(empty) == KNOWN


def test_an_upgrade_that_would_break_references_is_taken_back(sqlite_backend, tmp_path):
    """SQLite does not enforce them while tables are rebuilt, so they are counted at the end."""
    statement = 'op.execute("INSERT INTO decision_repeats VALUES (77, 1, 1)")'
    url = sqlite_backend.clone()
    with Store.open(url) as store:
        before = snapshot(store)
        with pytest.raises(StoreError, match="would break 1 references"):
            migrate._move(store, planted(tmp_path, statement), None)
        assert snapshot(store) == before


def test_foreign_keys_are_enforced_again_after_a_migration_that_failed(sqlite_backend, tmp_path):
    url = sqlite_backend.clone()
    with Store.open(url) as store:
        with pytest.raises(ZeroDivisionError):
            migrate._move(store, planted(tmp_path, "1 / 0"), None)
        with pytest.raises(StoreError, match="FOREIGN KEY"), store.write() as tx:
            history.repeat(tx, 1, 1)


# ── several at once, and neighbours ──────────────────────────────────────────
def test_daemons_that_start_at_once_do_not_upgrade_twice(empty_url):
    def start(_):
        with Store.open(empty_url, Options(busy_timeout_s=20)) as store:
            return migrate.upgrade(store)

    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(start, range(4)))
    assert sorted(applied, key=len) == [[], [], [], KNOWN]
    with Store.open(empty_url) as store:
        assert structure.drift(store) == []
        assert len(rows_of(store, events)) == 0


@pytest.mark.postgres
def test_a_daemon_waits_for_the_upgrade_of_another_longer_than_for_a_lock(postgresql_backend):
    url = postgresql_backend.create()
    with (
        Store.open(url) as slow,
        Store.open(url, Options(busy_timeout_s=0.05)) as hasty,
        ThreadPoolExecutor(1) as pool,
    ):
        with slow.write() as tx:
            tx.execute(text(f"SELECT pg_advisory_xact_lock({migrate.UPGRADE_LOCK})"))
            waiting = pool.submit(migrate.upgrade, hasty)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result() == KNOWN
    postgresql_backend.drop(url)


FOREIGN = [
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "INSERT INTO alembic_version VALUES ('v3.0.0.d')",
    "CREATE TABLE surveys (study_id INTEGER PRIMARY KEY, name TEXT CHECK (name <> ''))",
    "CREATE INDEX ix_surveys ON surveys (name)",
    "CREATE VIEW my_report AS SELECT name FROM surveys",
]


def test_tables_of_another_program_are_neither_seen_nor_touched(empty):
    with empty.write() as tx:
        for statement in FOREIGN:
            tx.exec_driver_sql(statement)
    assert migrate.upgrade(empty) == KNOWN
    assert structure.drift(empty) == []
    migrate._move(empty, command.check, None)
    migrate.downgrade(empty, "base")
    with empty.read() as view:
        assert view.execute(text("SELECT * FROM alembic_version")).scalar_one() == "v3.0.0.d"
        assert view.execute(text("SELECT count(*) FROM my_report")).scalar_one() == 0


def test_where_another_program_has_a_table_of_our_name_nothing_is_done(empty):
    """Optuna's storage, for one, has studies and trials as well."""
    with empty.write() as tx:
        tx.exec_driver_sql("CREATE TABLE studies (study_id INTEGER PRIMARY KEY)")
    with pytest.raises(StoreError, match=r"studies.* already exists") as refused:
        migrate.upgrade(empty)
    assert "another database" in refused.value.hint
    with empty.read() as view:
        assert migrate.current(view) is None


def test_our_version_stands_in_a_table_of_its_own(shared):
    with shared.read() as view:
        query = text("SELECT version_num FROM daemon_schema_version")
        assert view.execute(query).scalar_one() == HEAD
