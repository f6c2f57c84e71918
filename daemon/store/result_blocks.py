"""Results as blocks: columns of thousands of jobs in one value, parameters beside metrics.

A block says all that is known of its jobs, so that a session can be ranked,
exported and counted without the file that it was planned from. It is an archive
that ``numpy.load`` reads; `Block` reads only the columns that are asked for. A
column that is the same for all jobs is kept as one value.

In front stands, uncompressed, between which figures some of the columns lie: so
little has to be read of a block to know that nothing else of it is needed. And
the jobs that are most likely to be asked for stand together once more. Blocks
that were written without either are read like any other.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from sqlalchemy import delete, func, select

from daemon.errors import StoreError
from daemon.store import upsert
from daemon.store.tables import job_blocks, result_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Table

    from daemon.store.store import Tx

    Columns = Mapping[str, NDArray[Any]]
    Ints = NDArray[np.int64]
    Spans = Mapping[str, tuple[float, float]]

NPZ = "npz"
LEVEL = 1
"""How hard a block is compressed: more takes three times as long and saves a tenth."""

SPANS = "spans"
"""The member of the archive that stands in front."""

BEST, PLACE = "best", "place"
"""The member that holds some jobs once more, and the column of it that says where they stand."""

FRONT = 2_048
"""Bytes of a block in which the spans are found, if it has any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlock:
    """The results of jobs that follow each other."""

    key: str
    at_us: int
    engine_version: str
    data_digest: str
    jobs: int
    failed: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Link:
    """Which block holds which jobs of a session."""

    first_n: int
    jobs: int
    failed: int
    key: str

    @property
    def last_n(self) -> int:
        """The number of the last of them."""
        return self.first_n + self.jobs - 1


# ── what stands in it ────────────────────────────────────────────────────────
def encode(columns: Columns, spans: Spans | None = None, best: Ints | None = None) -> bytes:
    """Write columns as one value; all have one length. Equal columns give equal bytes.

    The spans are the least and the most of columns of which it is worth knowing; the
    best are the places of jobs that may be asked for alone, in order.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        if spans:
            kind = np.dtype([(name, np.float64, (2,)) for name in spans])
            _put(archive, SPANS, np.array([tuple(spans.values())], kind), zipfile.ZIP_STORED)
        if best is not None and len(best):
            _put(archive, BEST, _together(columns, best), zipfile.ZIP_DEFLATED)
        for name, column in columns.items():
            _put(archive, name, _shortest(column), zipfile.ZIP_DEFLATED)
    return written.getvalue()


def _put(archive: zipfile.ZipFile, name: str, column: NDArray[Any], how: int) -> None:
    member = io.BytesIO()
    npy.write_array(member, column, allow_pickle=False)
    place = zipfile.ZipInfo(f"{name}.npy")  # of no date
    archive.writestr(place, member.getbuffer(), how, LEVEL)


def _together(columns: Columns, places: Ints) -> NDArray[Any]:
    """Lay out some jobs, and where they stand, as a single element."""
    some = {PLACE: places, **{name: column[places] for name, column in columns.items()}}
    whole = np.empty(1, [(name, column.dtype, column.shape) for name, column in some.items()])
    for name, column in some.items():
        whole[name][0] = column
    return whole


def _shortest(column: NDArray[Any]) -> NDArray[Any]:
    """Keep one element where all are the same, to the bit."""
    whole = np.ascontiguousarray(column)
    bits = whole.view(_BITS[whole.itemsize]) if whole.dtype.kind in "fib" else None
    alike = bits is not None and len(bits) > 1 and (bits == bits[0]).all()
    return whole[:1] if alike else whole


_BITS = {1: np.uint8, 8: np.uint64}


class Block(Mapping[str, "NDArray[Any]"]):
    """The columns of a block; each is read when it is asked for, and may not be written to.

    Raises:
        StoreError: it is no block; or, when it is asked for, a column is not whole or not there.
    """

    def __init__(self, data: bytes, jobs: int) -> None:
        self._data, self._jobs = data, jobs
        self._read: dict[str, NDArray[Any]] = {}
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise _unreadable(error) from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._read:
            try:
                column = _array(self._member(self._archive.getinfo(f"{name}.npy")))
            except _BROKEN as error:
                raise _unreadable(error) from error
            alike = len(column) == 1 < self._jobs
            self._read[name] = np.broadcast_to(column[0], (self._jobs,)) if alike else column
        return self._read[name]

    def _member(self, of: zipfile.ZipInfo) -> bytes:
        """Read it at one go, which takes half the time of a file in the archive."""
        *_, more = _LOCAL.unpack_from(self._data, of.header_offset)
        name = of.header_offset + _LOCAL.size
        begin = name + (more & 0xFFFF) + (more >> 16)
        found = self._data[begin : begin + of.compress_size]
        if of.compress_type == zipfile.ZIP_DEFLATED:
            found = zlib.decompress(found, -zlib.MAX_WBITS, of.file_size)
        named = self._data.startswith(of.orig_filename.encode(), name)
        if not named or len(found) != of.file_size or zlib.crc32(found) != of.CRC:
            raise zipfile.BadZipFile(f"{of.filename} is not what was written")
        return found

    def __contains__(self, name: object) -> bool:
        return name not in _BESIDE and f"{name}.npy" in self._archive.NameToInfo

    def __iter__(self) -> Iterator[str]:
        names = (name.removesuffix(".npy") for name in self._archive.namelist())
        return (name for name in names if name not in _BESIDE)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def jobs(self, places: Ints) -> dict[str, NDArray[Any]]:
        """Read all columns of some jobs, by their places; of the best that takes little."""
        if f"{BEST}.npy" in self._archive.NameToInfo:
            best = self[BEST][0]
            at = np.searchsorted(best[PLACE], places) % len(best[PLACE])
            if (best[PLACE][at] == places).all():
                return {name: best[name][at] for name in best.dtype.names if name != PLACE}
        return {name: self[name][places] for name in self}


_BESIDE = (SPANS, BEST)

_BROKEN = (
    *(ValueError, KeyError, OSError, EOFError, RuntimeError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)


def _unreadable(error: Exception) -> StoreError:
    return StoreError(
        f"a block of results cannot be read: {error}",
        hint="daemon db check says whether the database is whole",
    )


def decode(data: bytes, jobs: int, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read columns of a block, those of these names or all.

    Raises:
        StoreError: it is no block, or a column is not there.
    """
    block = Block(data, jobs)
    return {name: block[name] for name in (block if names is None else names)}


def _array(member: bytes) -> NDArray[Any]:
    """Read what ``numpy.save`` wrote; its head is that of thousands of others."""
    begin = 10 + int.from_bytes(member[8:10], "little")
    kind, shape = _layout(member[:begin])
    return np.frombuffer(member, kind, prod(shape), begin).reshape(shape)


@lru_cache(maxsize=64)
def _layout(head: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    file = io.BytesIO(head)
    if npy.read_magic(file) != (1, 0):
        raise ValueError("an array is of a version that no block has")
    shape, fortran, kind = npy.read_array_header_1_0(file)
    if kind.hasobject or fortran:
        raise ValueError("an array is of a kind that no block has")
    return kind, shape


def spans_in(front: bytes) -> dict[str, tuple[float, float]]:
    """Read the spans of a block from its first bytes; none if it was written without."""
    name = f"{SPANS}.npy".encode()
    begin = _LOCAL.size + len(name)
    if len(front) < begin or front[_LOCAL.size : begin] != name:
        return {}
    mark, checksum, length, lengths = _LOCAL.unpack_from(front)
    member = front[begin : begin + length]
    sound = mark == b"PK\x03\x04" and lengths == len(name) and zlib.crc32(member) == checksum
    try:
        found = _array(member) if sound else None
    except _BROKEN:
        found = None
    if found is None or found.dtype.names is None:
        return {}
    return {name: tuple(found[name][0].tolist()) for name in found.dtype.names}


_LOCAL = struct.Struct("<4s10xI4xII")
"""What an archive says in front of a member: a mark, checksum, length and that of two names."""


# ── writing ──────────────────────────────────────────────────────────────────
def put(tx: Tx, new: NewBlock) -> None:
    """Write a block; one that is there stays as it is."""
    row = {name: getattr(new, name) for name in NewBlock.__slots__} | {"encoding": NPZ}
    _once(tx, result_blocks, row)


def link(tx: Tx, session_id: int, of: Link) -> bool:
    """Say that a block holds jobs of a session; False if that was known."""
    row = {
        "session_id": session_id,
        "first_n": of.first_n,
        "jobs": of.jobs,
        "failed": of.failed,
        "block_key": of.key,
    }
    return _once(tx, job_blocks, row)


def _once(tx: Tx, table: Table, row: dict[str, Any]) -> bool:
    """Write a row, unless it is there; says whether it was not."""
    new = upsert.insert(tx, table).values(row).on_conflict_do_nothing()
    return tx.execute(new.returning(*table.primary_key)).first() is not None


def unlink(tx: Tx, session_id: int, of: Link) -> None:
    """Let go of a block of a session that holds failures; it is of no use to any other."""
    mine = (job_blocks.c.session_id == session_id, job_blocks.c.first_n == of.first_n)
    tx.execute(delete(job_blocks).where(*mine))
    others = select(job_blocks.c.block_key).where(job_blocks.c.block_key == of.key)
    if tx.execute(others.limit(1)).first() is None:
        tx.execute(delete(result_blocks).where(result_blocks.c.key == of.key))


# ── reading ──────────────────────────────────────────────────────────────────
_LINKS = select(
    job_blocks.c.first_n, job_blocks.c.jobs, job_blocks.c.failed, job_blocks.c.block_key
).order_by(job_blocks.c.first_n)


def links(tx: Tx, session_id: int) -> list[Link]:
    """Name the blocks of a session, in order."""
    found = tx.execute(_LINKS.where(job_blocks.c.session_id == session_id))
    return [Link(*row) for row in found]


def fronts(tx: Tx, session_id: int) -> list[tuple[Link, dict[str, tuple[float, float]]]]:
    """Name the blocks of a session, in order, each with its spans."""
    found = tx.execute(_FRONTS.where(job_blocks.c.session_id == session_id))
    return [(Link(*row[:-1]), spans_in(bytes(row[-1]))) for row in found]


_FRONTS = _LINKS.add_columns(func.substr(result_blocks.c.data, 1, FRONT)).join(
    result_blocks, result_blocks.c.key == job_blocks.c.block_key
)


def data(tx: Tx, key: str) -> bytes | None:
    """Read a block; None if there is none."""
    query = select(result_blocks.c.data).where(result_blocks.c.key == key)
    found = tx.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)


def there(tx: Tx, keys: Sequence[str]) -> dict[str, int]:
    """Say which of these blocks are there, and how many jobs each holds."""
    query = select(result_blocks.c.key, result_blocks.c.jobs).where(
        result_blocks.c.key.in_(list(keys))
    )
    return {row.key: row.jobs for row in tx.execute(query)}
