"""A revision that was released is never edited: what it built stands in other people's files.

`fingerprints.json` holds a hash of the structure and the rows that each revision
leaves in an empty SQLite database. Until a revision is released it may change:

    python tests/contract/migrations/test_fingerprints.py    writes them anew
"""

import hashlib
import json
import re
import sys
from contextlib import closing
from pathlib import Path

import pytest

from daemon.store import migrate
from daemon.store.store import Store

RECORD = Path(__file__).with_name("fingerprints.json")
KNOWN = [revision.id for revision in migrate.revisions(None)]


def dump(store):
    """Every statement that would build this database again, however it is spaced."""
    with closing(store.engines.writer.raw_connection()) as connection:
        lines = [" ".join(line.split()) for line in connection.driver_connection.iterdump()]
    return "\n".join(sorted(re.sub(r'"', "", line) for line in lines))


def fingerprint(store):
    return hashlib.sha256(dump(store).encode()).hexdigest()


def fingerprints():
    """The hash after each revision, and at the end of the way back."""
    with Store.open("sqlite:///:memory:") as store:
        found = {}
        for revision in KNOWN:
            migrate.upgrade(store, revision)
            found[revision] = fingerprint(store)
        return found


def test_no_revision_that_was_released_is_edited():
    recorded = json.loads(RECORD.read_text())
    found = fingerprints()
    edited = [revision for revision in KNOWN if found[revision] != recorded.get(revision)]
    assert recorded.keys() == found.keys()
    assert not edited, (
        f"revision {edited[0]} builds something else than it did; write a new revision instead,"
        f" or, if no release holds it yet, run: python {'/'.join(RECORD.parts[-4:-1])}/"
        f"{Path(__file__).name}"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX mine ON events (ref)",
        "UPDATE chains SET seq = 1",
        "DROP TRIGGER events_no_update",
        "CREATE VIEW mine AS SELECT 1",
        "INSERT INTO signals (name, created_at_us) VALUES ('s', 1)",
    ],
)
def test_any_difference_shows_in_the_fingerprint(statement):
    with Store.open("sqlite:///:memory:") as store:
        migrate.upgrade(store)
        before = fingerprint(store)
        with store.write() as tx:
            tx.exec_driver_sql(statement)
        assert fingerprint(store) != before


if __name__ == "__main__":
    RECORD.write_text(json.dumps(fingerprints(), indent=2) + "\n")
    sys.stdout.write(f"{len(KNOWN)} revisions\n")
