"""Results as blocks: columns of thousands of jobs in one value, parameters beside metrics.

A block says all that is known of its jobs, so that a session can be ranked,
exported and counted without the file that it was planned from. Inside it is what
``numpy.savez_compressed`` writes; `decode` reads only the columns that are asked
for. A column that is the same for all jobs is kept as one value.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import delete, select

from daemon.errors import StoreError
from daemon.store import upsert
from daemon.store.tables import job_blocks, result_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy import Table

    from daemon.store.store import Tx

    Columns = Mapping[str, NDArray[Any]]

NPZ = "npz"
LEVEL = 1
"""How hard a block is compressed: more takes three times as long and saves a tenth."""


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
def encode(columns: Columns) -> bytes:
    """Write columns as one value; all have one length. Equal columns give equal bytes."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, column in columns.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, _shortest(column), allow_pickle=False)
            place = zipfile.ZipInfo(f"{name}.npy")  # of no date
            archive.writestr(place, member.getbuffer(), zipfile.ZIP_DEFLATED, LEVEL)
    return written.getvalue()


def _shortest(column: NDArray[Any]) -> NDArray[Any]:
    """Keep one element where all are the same, to the bit."""
    whole = np.ascontiguousarray(column)
    bits = whole.view(_BITS[whole.itemsize]) if whole.dtype.kind in "fib" else None
    alike = bits is not None and len(bits) > 1 and (bits == bits[0]).all()
    return whole[:1] if alike else whole


_BITS = {1: np.uint8, 8: np.uint64}


def decode(data: bytes, jobs: int, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read columns of a block, those of these names or all.

    Raises:
        StoreError: it is no block, or a column is not there.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            wanted = archive.files if names is None else names
            columns = {name: archive[name] for name in wanted}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"a block of results cannot be read: {error}",
            hint="daemon db check says whether the database is whole",
        ) from error
    return {
        name: np.broadcast_to(column[0], (jobs,)) if len(column) == 1 < jobs else column
        for name, column in columns.items()
    }


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
