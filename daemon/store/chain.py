"""Streams of history whose rows are linked by hash, so that a quiet edit cannot stay quiet.

A row's hash covers its content and the hash before it, not its place: a row
that was moved keeps a sound hash and is found by its broken link, one that was
altered no longer matches its own hash, one that was removed leaves a gap or a
link to nothing, one that was added stands where none was written. The head of
every stream also stands in `chains`; keep a copy of it elsewhere (`daemon db
verify -o json`) and even a cut tail is found.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, bindparam, insert, select, update

from daemon.errors import TamperedHistory
from daemon.store.ready import Ready
from daemon.store.tables import CHAINED, chains
from daemon.store.types import Count, Json, canonical, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from daemon.store.store import Tx

GENESIS = "0" * 64
"""What the first row of a stream links to."""

_OUTSIDE_THE_HASH = frozenset({"seq", "prev_hash", "hash"})
PAGE = 2_000

STREAMS: dict[str, Table] = {table.name: table for table in CHAINED}
"""The chained streams by name."""

_BODIES = {
    table.name: tuple(column.name for column in table.c if isinstance(column.type, Json))
    for table in CHAINED
}
"""The columns of a stream that hold JSON."""

_OF_STREAM = select(chains.c.seq, chains.c.hash).where(chains.c.stream == bindparam("stream"))
_HEAD = Ready(_OF_STREAM)
_HEAD_LOCKED = Ready(_OF_STREAM.with_for_update())
_MOVE = Ready(
    update(chains)
    .where(chains.c.stream == bindparam("name"))
    .values(seq=bindparam("place"), hash=bindparam("link"))
)
_PAGE = {
    table.name: Ready(
        select(table)
        .where(table.c.seq > bindparam("after"))
        .order_by(table.c.seq)
        .limit(bindparam("most", type_=Count))
    )
    for table in CHAINED
}


_IN_FRONT = {
    table.name: Ready(select(table.c.seq).where(table.c.seq < 1).order_by(table.c.seq))
    for table in CHAINED
}


@lru_cache(maxsize=64)
def _insert(stream: str, columns: tuple[str, ...]) -> Ready:
    return Ready(insert(STREAMS[stream]), columns)


@dataclass(frozen=True)
class Head:
    """The last row of a stream: its place and its hash."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Break:
    """One place where a stream is not as it was written."""

    stream: str
    seq: int
    what: str
    detail: str

    def __str__(self) -> str:
        """Render as ``stream seq: what (detail)``."""
        return f"{self.stream} {self.seq}: {self.what} ({self.detail})"


@dataclass(frozen=True)
class Report:
    """What verifying a stream found."""

    stream: str
    rows: int
    head: Head
    breaks: tuple[Break, ...]


def digest(prev_hash: str, content: Mapping[str, Any]) -> str:
    """Hash a row's content onto the hash before it."""
    body = canonical(
        {
            key: value
            for key, value in content.items()
            if key not in _OUTSIDE_THE_HASH and value is not None
        }
    )
    return hashlib.sha256(f"{prev_hash}\n{body}".encode()).hexdigest()


def head(tx: Tx, stream: Table) -> Head:
    """Read where a stream ends; on Postgres the row stays locked until the transaction ends."""
    row = _HEAD_LOCKED.first(tx, stream=stream.name)
    if row is None:
        raise TamperedHistory(
            f"the head of {stream.name} is gone", hint="look closer with: daemon db verify"
        )
    return Head(*row)


def append(tx: Tx, stream: Table, contents: Iterable[Mapping[str, Any]]) -> list[Head]:
    """Append rows to a stream, linked in the order given; returns the place of each."""
    last = head(tx, stream)
    places = []
    for content in contents:
        row = _ready(stream, content)
        prev_hash = last.hash
        last = Head(last.seq + 1, digest(prev_hash, row))
        places.append(last)
        row |= {"seq": last.seq, "prev_hash": prev_hash, "hash": last.hash}
        _insert(stream.name, tuple(row)).run(tx, **row)
    if places:
        _MOVE.run(tx, name=stream.name, place=last.seq, link=last.hash)
    return places


def _ready(stream: Table, content: Mapping[str, Any]) -> dict[str, Any]:
    """Write the JSON of a row, which is hashed and stored in the same form, once."""
    row = dict(content)
    for name in _BODIES[stream.name]:
        if row.get(name) is not None:
            with suppress(ValueError):  # what it has no form for is refused below
                row[name] = written(row[name])
    return row


def read(tx: Tx, stream: Table, *, after: int = 0, limit: int = PAGE) -> list[dict[str, Any]]:
    """Read rows of a stream in order, from behind a place."""
    return _PAGE[stream.name].records(tx, after=after, most=limit)


def pages(tx: Tx, stream: Table, *, after: int = 0) -> Iterator[list[dict[str, Any]]]:
    """Read a whole stream a page at a time."""
    while page := read(tx, stream, after=after):
        yield page
        after = page[-1]["seq"]


def verify(
    tx: Tx,
    stream: Table,
    *,
    last: int | None = None,
    expect: Head | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Report:
    """Check a stream from its first row, or its last rows only, and name every break.

    ``expect`` is a head that was published before: the stream must still hold it.
    """
    ending = stored_head(tx, stream)
    start = max(0, ending.seq - last) if last is not None else 0
    walk = _Walk(tx, stream, after=start)
    if not start:
        walk.begin()
    for page in pages(tx, stream, after=start):
        for row in page:
            walk.step(row)
        if on_rows:
            on_rows(len(page))
    walk.finish(ending)
    if expect is not None:
        walk.hold(expect)
    return Report(stream.name, walk.rows, Head(walk.seq, walk.hash), tuple(walk.breaks))


def stored_head(tx: Tx, stream: Table) -> Head:
    """Read where a stream ends, without a lock."""
    row = _HEAD.first(tx, stream=stream.name)
    return Head(*row) if row else Head(0, GENESIS)


def _hash_at(tx: Tx, stream: Table, seq: int) -> str | None:
    return tx.execute(select(stream.c.hash).where(stream.c.seq == seq)).scalar_one_or_none()


def _seq_of(tx: Tx, stream: Table, row_hash: str) -> int | None:
    return tx.execute(select(stream.c.seq).where(stream.c.hash == row_hash)).scalar_one_or_none()


class _Walk:
    """One pass along a stream: where it stands, and what it has found wrong."""

    def __init__(self, tx: Tx, stream: Table, after: int) -> None:
        self.tx, self.stream = tx, stream
        self.seq, self.rows = after, 0
        self.hash = (_hash_at(tx, stream, after) if after else GENESIS) or GENESIS
        self.breaks: list[Break] = []

    def begin(self) -> None:
        """Look for rows in front of the first, which no page shows."""
        for (seq,) in _IN_FRONT[self.stream.name].rows(self.tx):
            self._found(seq, "added", "a stream begins at row 1")

    def step(self, row: Mapping[str, Any]) -> None:
        """Check one row against itself and against the row before it."""
        seq = row["seq"]
        gap = seq - self.seq - 1
        if gap:
            missing = str(self.seq + 1) if gap == 1 else f"{self.seq + 1} to {seq - 1}"
            self._found(self.seq + 1, "removed", f"no row {missing}")
        if row["hash"] != digest(row["prev_hash"], row):
            self._found(seq, "altered", "its content does not match its hash")
        if row["prev_hash"] != self.hash and not gap:
            self._found(seq, *self._misplaced(row["prev_hash"]))
        self.seq, self.hash = seq, row["hash"]
        self.rows += 1

    def _misplaced(self, prev_hash: str) -> tuple[str, str]:
        home = 0 if prev_hash == GENESIS else _seq_of(self.tx, self.stream, prev_hash)
        if home is None:
            return "removed", "the row it was linked to is gone or was replaced"
        return "reordered", f"it was written behind row {home}"

    def finish(self, ending: Head) -> None:
        """Check that the stream ends where its head says."""
        if self.seq < ending.seq:
            self._found(self.seq + 1, "removed", f"the stream was written up to row {ending.seq}")
        elif self.seq > ending.seq:
            self._found(ending.seq + 1, "added", f"the stream was written up to row {ending.seq}")
        elif self.hash != ending.hash:
            self._found(self.seq, "altered", "the stream does not end with the head on record")

    def hold(self, expect: Head) -> None:
        """Check that a head published earlier is still part of the stream."""
        there = _hash_at(self.tx, self.stream, expect.seq)
        if expect.seq and there is None:
            self._found(expect.seq, "removed", "its hash was published, and no such row is left")
        elif expect.seq and there != expect.hash:
            self._found(expect.seq, "altered", "it is not the row whose hash was published")

    def _found(self, seq: int, what: str, detail: str) -> None:
        self.breaks.append(Break(self.stream.name, seq, what, detail))
