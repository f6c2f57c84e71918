"""What the disk refused is told apart from a database that is only away."""

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from daemon.errors import Exit, StoreBroken, StoreUnavailable
from daemon.store.store import explain


def explained(code):
    fault = sqlite3.OperationalError("something happened")
    fault.sqlite_errorcode = code
    return explain(OperationalError("COMMIT", {}, fault), "sqlite:///x.db")


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_READ,
    ],
)
def test_after_a_fault_of_the_disk_the_process_has_to_end(code):
    error = explained(code)
    assert isinstance(error, StoreBroken)
    assert error.exit_code == Exit.IO


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_LOCKED])
def test_a_lock_or_a_full_disk_is_sat_out(code):
    error = explained(code)
    assert isinstance(error, StoreUnavailable)
    assert not isinstance(error, StoreBroken)
