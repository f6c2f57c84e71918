"""Is the database sound? What is wrong is found, named, and comes with a way out."""

from pathlib import Path

import pytest
from sqlalchemy import text

from daemon.errors import InputError
from daemon.store import console, health, migrate
from daemon.store.health import Limits
from daemon.store.store import Store


def findings(store, limits=None):
    return [(one.check, one.status, one.detail) for one in health.examine(store, limits)]


def failed(store):
    return {check: detail for check, status, detail in findings(store) if status == "fail"}


def test_a_new_database_has_nothing_wrong(shared):
    assert failed(shared) == {}
    assert {check for check, _, _ in findings(shared)} >= {"database", "schema", "structure"}


def test_without_the_schema_nothing_further_is_asked(empty_url):
    with Store.open(empty_url) as store:
        with store.write() as tx:
            tx.exec_driver_sql("CREATE TABLE of_somebody_else (x INTEGER)")
        assert list(failed(store)) == ["schema"]
        assert "structure" not in {check for check, _, _ in findings(store)}


def test_an_older_schema_fails_with_the_command_that_upgrades_it(own_url):
    with Store.open(own_url) as store:
        migrate.downgrade(store, "0005")
        found = [one for one in health.examine(store) if one.check == "schema"]
    assert found[0].status == "fail"
    assert "daemon db upgrade" in found[0].hint


def test_samples_of_an_unknown_signal_are_counted_by_signal(shared):
    with shared.write() as tx:
        for signal_id, at_us in ((77, 1), (77, 2), (78, 1)):
            tx.exec_driver_sql(f"INSERT INTO samples VALUES ({signal_id}, {at_us}, 0.5)")
    assert failed(shared) == {"samples": "samples of 2 signals that are not in `signals`"}


def test_an_altered_row_of_history_fails_the_check(own_url):
    with Store.open(own_url) as store:
        with store.write() as tx:
            tx.execute(text("UPDATE chains SET seq = 3 WHERE stream = 'events'"))
        assert "events 1: removed" in failed(store)["history"]


@pytest.mark.postgres
def test_a_structure_that_may_not_be_compared_is_a_warning(postgresql_backend):
    own_url = postgresql_backend.clone()
    role = "daemon_test_reader"
    with Store.open(own_url) as store, store.write() as tx:
        tx.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
        tx.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        tx.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    with Store.open(own_url.replace("//postgres@", f"//{role}@")) as store:
        found = [one for one in health.examine(store) if one.check == "structure"]
    with Store.open(own_url) as store, store.write() as tx:
        tx.exec_driver_sql(f"DROP OWNED BY {role}")
        tx.exec_driver_sql(f"DROP ROLE {role}")
    postgresql_backend.drop(own_url)
    assert [one.status for one in found] == ["warn"]
    assert "CREATE" in found[0].hint


def test_a_statement_that_returns_nothing_is_no_question(shared):
    question = "SAVEPOINT x" if shared.dialect == "sqlite" else "SET search_path TO public"
    with pytest.raises(InputError, match="returns no rows"):
        console.ask(shared, question, limit=1)


# ── what only a file can have ────────────────────────────────────────────────


@pytest.fixture
def file_store(sqlite_backend):
    url = sqlite_backend.clone()
    with Store.open(url) as store:
        yield store
    sqlite_backend.drop(url)


def test_a_database_in_memory_has_no_files(memory_backend):
    with memory_backend.opened() as store:
        checks = [check for check, _, _ in findings(store, Limits(-1, 2**62))]
    assert "disk" not in checks
    assert "wal" not in checks


def test_a_long_log_and_a_full_disk_are_warnings(file_store):
    found = findings(file_store, Limits(wal_bytes_max=-1, disk_free_min=2**62))
    assert {check for check, status, _ in found if status == "warn"} >= {"wal", "disk"}
    assert {check for check, _, _ in findings(file_store)}.isdisjoint({"wal", "disk"})


def test_rows_that_refer_to_nothing_are_counted(file_store):
    with file_store.engines.writer.connect() as connection:
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("INSERT INTO decision_repeats VALUES (99, 1, 1)")
        driver.execute("PRAGMA foreign_keys=ON")
    assert "1 rows refer" in failed(file_store)["references"]


def test_a_damaged_file_is_found(sqlite_backend):
    url = sqlite_backend.clone()
    path = Path(url.removeprefix("sqlite:///"))
    page = 4096
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - page)
        file.write(b"\xff" * page)
    with Store.open(url) as store:
        assert "integrity" in failed(store)
    sqlite_backend.drop(url)
