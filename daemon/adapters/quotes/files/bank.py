"""Quotes of a file, parsed once and then mapped into memory by whoever works on them.

What a file holds is named by the digest of its columns, not of its bytes: the
same quotes with another column beside them, or packed, are the same quotes. A
file's own digest leads there.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from daemon.adapters.quotes.files.cache import Cache
from daemon.adapters.quotes.files.columnar import MAGIC, parquet_rows
from daemon.adapters.quotes.files.comma import Faults, Rows, Table
from daemon.errors import InputError
from daemon.market.quotes import Quotes
from daemon.ports import LoadedQuotes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

GZIP = b"\x1f\x8b"


class QuoteFiles:
    """Reads files of quotes; with a folder, parses none of them twice.

    Args:
        cache: the folder; without one, nothing is kept.
        cache_mb: how many megabytes may lie there; none at 0, any number without it.
    """

    def __init__(self, cache: Path | None = None, cache_mb: int | None = None) -> None:
        self._cache = None if cache is None or cache_mb == 0 else Cache(cache, cache_mb)

    def load(self, path: Path, *, skip_bad_rows: bool = False) -> LoadedQuotes:
        """Give the quotes of a file: CSV, plain or packed by gzip, or Parquet.

        Raises:
            InputError: there is no such file, it is no table of quotes, or a row
                of it does not parse and none may be skipped.
            MissingExtra: it is Parquet, and nothing here reads that.
        """
        try:
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                source = hashlib.file_digest(file, "sha256").hexdigest()
                if (found := self._known(source, skip=skip_bad_rows)) is not None:
                    return found
                file.seek(0)
                loaded = _parsed(file, Faults(str(path), skip=skip_bad_rows))
                after = os.fstat(file.fileno())
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{path}: {reason}", hint="is the path right?") from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{path} was written to while it was read", hint="try again")
        return self._kept(source, loaded)

    def by_digest(self, digest: str) -> Quotes | None:
        """Give quotes that were read before, from memory that all processes share."""
        return None if self._cache is None else self._cache.quotes(digest)

    def _known(self, source: str, *, skip: bool) -> LoadedQuotes | None:
        """Look a file up by the digest of its bytes."""
        note = None if self._cache is None else self._cache.note(source)
        if note is None or (note.skipped and not skip):
            return None  # what was left out is parsed again, to say where
        quotes = self.by_digest(note.digest)
        if quotes is None or len(quotes) != note.rows:
            return None
        return LoadedQuotes(quotes, note.skipped, note.examples, cached=True)

    def _kept(self, source: str, loaded: LoadedQuotes) -> LoadedQuotes:
        """Write quotes down for the next one, if the folder takes them."""
        if self._cache is None:
            return loaded
        with contextlib.suppress(OSError):  # a full or locked folder costs time, no results
            self._cache.keep(source, loaded.quotes, loaded.skipped, loaded.examples)
        mapped = self.by_digest(loaded.quotes.digest)
        if mapped is None:
            return loaded
        return LoadedQuotes(mapped, loaded.skipped, loaded.examples)


# ── files ────────────────────────────────────────────────────────────────────
def _parsed(file: BinaryIO, faults: Faults) -> LoadedQuotes:
    try:
        parts = list(_rows(file, faults))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{faults.name}: it cannot be unpacked: {error}") from error
    faults.settle()
    if not any(len(part.prices[0]) for part in parts):
        raise InputError(f"{faults.name}: it has a header and no rows")
    prices = [np.concatenate([part.prices[place] for part in parts]) for place in range(4)]
    moments = [part.at_us for part in parts if part.at_us is not None]
    at_us = np.concatenate(moments) if moments else None
    digest = _digest(prices, at_us)
    for column in prices:
        column.flags.writeable = False
    bid_a, ask_a, bid_b, ask_b = prices
    quotes = Quotes(bid_a, ask_a, bid_b, ask_b, at_us, digest)
    return LoadedQuotes(quotes, faults.count, faults.examples)


def _rows(file: BinaryIO, faults: Faults) -> Iterator[Rows]:
    start = file.read(len(MAGIC))
    file.seek(0)
    if start == MAGIC:
        yield from parquet_rows(file, faults)
    elif start.startswith(GZIP):
        with gzip.open(file) as plain:
            yield from Table(plain, faults).rows()  # type: ignore[arg-type]
    else:
        yield from Table(file, faults).rows()


def _digest(prices: list[NDArray[np.float64]], at_us: NDArray[np.int64] | None) -> str:
    """Name columns: the same numbers have the same name, however they were written."""
    found = hashlib.sha256(b"untimed" if at_us is None else at_us.astype("<i8", copy=False).data)
    for column in prices:
        if (strange := np.isnan(column)).any():
            column[strange] = np.nan  # there is one NaN
        np.add(column, 0.0, out=column)  # there is one zero
        found.update(column.astype("<f8", copy=False).data)
    return found.hexdigest()
