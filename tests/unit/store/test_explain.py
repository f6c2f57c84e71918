"""Every error of a driver becomes a sentence with advice, of the right kind."""

import pytest
from sqlalchemy.exc import (
    DatabaseError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
    StatementError,
)

from daemon.errors import SchemaMismatch, StoreError, StoreUnavailable
from daemon.store.store import explain

UPGRADE = "create or upgrade the schema with: daemon db upgrade"


@pytest.mark.parametrize(
    ("wrapper", "said", "kind", "advice"),
    [
        (OperationalError, "database is locked", StoreUnavailable, "another process is writing"),
        (OperationalError, "database table is locked", StoreUnavailable, "another process"),
        (OperationalError, "database or disk is full", StoreUnavailable, "free some disk space"),
        (OperationalError, "could not write: No space left on device", StoreUnavailable, "free"),
        (OperationalError, "disk I/O error", StoreUnavailable, "check the disk"),
        (DatabaseError, "file is not a database", StoreUnavailable, "database.url"),
        (
            OperationalError,
            'FATAL:  password authentication failed for user "me"',
            StoreUnavailable,
            "check the user and password",
        ),
        (
            OperationalError,
            'FATAL:  role "me" does not exist',
            StoreUnavailable,
            "check the user and password",
        ),
        (OperationalError, 'FATAL:  database "x" does not exist', StoreUnavailable, "createdb"),
        (OperationalError, "Connection refused", StoreUnavailable, "server running"),
        (OperationalError, "failed to resolve host 'db'", StoreUnavailable, "check the host"),
        (
            OperationalError,
            "canceling statement due to lock timeout",
            StoreUnavailable,
            "another process is writing",
        ),
        (
            OperationalError,
            "canceling statement due to statement timeout",
            StoreUnavailable,
            "statement_timeout_s",
        ),
        (
            OperationalError,
            "attempt to write a readonly database",
            StoreUnavailable,
            "cannot be written by this user",
        ),
        (OperationalError, "unable to open database file", StoreUnavailable, "directory"),
        (OperationalError, "no such table: events", SchemaMismatch, UPGRADE),
        (OperationalError, "no such column: weather", SchemaMismatch, UPGRADE),
        (ProgrammingError, 'relation "events" does not exist\nLINE 1', SchemaMismatch, UPGRADE),
        (ProgrammingError, "column d.weather does not exist", SchemaMismatch, UPGRADE),
        (ProgrammingError, 'column "weather" does not exist', SchemaMismatch, UPGRADE),
        (ProgrammingError, 'syntax error at or near "SELEC"', StoreError, None),
        (IntegrityError, "UNIQUE constraint failed: changes.rule", StoreError, None),
        (InternalError, "cannot execute INSERT in a read-only transaction", StoreError, None),
        (OperationalError, "something new", StoreUnavailable, None),
    ],
)
def test_an_error_becomes_a_sentence_with_advice(wrapper, said, kind, advice):
    error = explain(wrapper("SELECT 1", {}, Exception(said)), "sqlite:///x.db")
    assert type(error) is kind
    assert error.message.startswith("sqlite:///x.db: ")
    assert "SELECT 1" not in error.message
    if advice is None:
        assert error.hint is None
    else:
        assert advice in error.hint


def test_a_value_that_cannot_be_stored_is_told_in_its_own_words():
    wrapped = StatementError("no", "INSERT", {}, ValueError("NaN is not stored"))
    assert str(explain(wrapped, "db")) == "db: NaN is not stored"


def test_a_message_is_one_line_and_leaves_out_where_in_the_guard_it_was_raised():
    said = "events is append-only:\n  UPDATE refused\nCONTEXT:  PL/pgSQL function x() line 3"
    error = explain(InternalError("UPDATE", {}, Exception(said)), "db")
    assert error.message == "db: events is append-only: UPDATE refused"
