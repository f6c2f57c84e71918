"""How somebody with the file, or with the rights of its owner, would change history.

Triggers are switched off and rows changed inside a transaction that is always
taken back: one database serves any number of attempts.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from daemon.store import chain, changes, history
from daemon.store.tables import chains
from daemon.tuning.vocabulary import ChangeState as S
from tests.contract.rows import T0, decision, event, move, new_change, rule_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.store.store import Store

ROWS = 6
"""How long every stream is."""


def write_streams(store: Store) -> None:
    """Fill every stream with rows that have something in every column."""
    with store.write() as tx:
        for n in range(ROWS):
            about = {"rule": f"r{n}", "old": 0.25, "new": 0.5, "change_id": 1, "epoch": n}
            history.append(
                tx, decision(T0 + n, policy="p" * 64, evidence={"n": n, "x": [1e300]}, **about)
            )
            history.append(tx, rule_set(T0 + n, note="é", **about))
            history.append(tx, event(T0 + n, ref="x", body={"n": n}, epoch=n))
        told = {"boot_id": "b", "elapsed_us": 5, "epoch": 1, "body": {"n": 1}}
        for key in ("k1", "k2"):
            number = changes.open_change(tx, new_change(key, key), S.APPLYING, move(T0, **told))
            changes.advance(tx, number, S.APPLYING, S.OBSERVING, move(T0 + 1, **told))
            changes.advance(tx, number, S.OBSERVING, S.ROLLING_BACK, move(T0 + 2, **told))


@contextmanager
def unguarded(store: Store, stream: Table) -> Iterator[Connection]:
    """A transaction in which a stream may be changed; it is taken back at the end."""
    with store.engines.writer.connect() as connection:
        if store.dialect == "postgresql":
            connection.exec_driver_sql(f"ALTER TABLE {stream.name} DISABLE TRIGGER ALL")
        else:
            for operation in ("update", "delete", "replace"):
                connection.exec_driver_sql(f"DROP TRIGGER {stream.name}_no_{operation}")
        try:
            yield connection
        finally:
            connection.rollback()


def alter(tx: Connection, stream: Table, seq: int, column: str, value: Any) -> None:
    tx.execute(update(stream).where(stream.c.seq == seq).values({column: value}))


def remove(tx: Connection, stream: Table, *seqs: int) -> None:
    tx.execute(delete(stream).where(stream.c.seq.in_(seqs)))


def renumber(tx: Connection, stream: Table, old: int, new: int) -> None:
    tx.execute(update(stream).where(stream.c.seq == old).values(seq=new))


def swap(tx: Connection, stream: Table, one: int, two: int) -> None:
    renumber(tx, stream, one, 10_000)
    renumber(tx, stream, two, one)
    renumber(tx, stream, 10_000, two)


def forge(tx: Connection, stream: Table, seq: int, prev_hash: str | None = None) -> None:
    """Put a row of our own at a place; what stood there and behind it moves on by one."""
    rows = chain.read(tx, stream)
    for row in reversed(rows[seq - 1 :] if seq > 0 else []):
        renumber(tx, stream, row["seq"], row["seq"] + 1)
    if prev_hash is None:
        prev_hash = next((row["hash"] for row in rows if row["seq"] == seq - 1), chain.GENESIS)
    content = {**rows[0], "at_us": T0 + 99}
    row = {**content, "seq": seq, "prev_hash": prev_hash, "hash": chain.digest(prev_hash, content)}
    tx.execute(insert(stream).values(row))


def rewrite_from(tx: Connection, stream: Table, seq: int) -> None:
    """Alter a row and compute every hash behind it anew, the head on record too."""
    alter(tx, stream, seq, "at_us", T0 + 99)
    rows = chain.read(tx, stream)
    last = next((row["hash"] for row in rows if row["seq"] == seq - 1), chain.GENESIS)
    for row in rows[seq - 1 :]:
        links = {"prev_hash": last, "hash": chain.digest(last, row)}
        tx.execute(update(stream).where(stream.c.seq == row["seq"]).values(links))
        last = links["hash"]
    rewind(tx, stream, rows[-1]["seq"])


def rewind(tx: Connection, stream: Table, seq: int) -> None:
    """Have the head on record say that the stream ends at a row."""
    query = select(stream.c.hash).where(stream.c.seq == seq)
    last = tx.execute(query).scalar_one_or_none() or chain.GENESIS
    tx.execute(update(chains).where(chains.c.stream == stream.name).values(seq=seq, hash=last))


def found(tx: Connection, stream: Table, **options: Any) -> list[tuple[int, str]]:
    """Verify a stream: which places are broken, and how."""
    report = chain.verify(tx, stream, **options)
    assert {one.stream for one in report.breaks} <= {stream.name}
    return [(one.seq, one.what) for one in report.breaks]
