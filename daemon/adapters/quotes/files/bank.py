"""Quotes of a file, parsed once and then mapped into memory by whoever works on them.

What a file holds is named by the digest of its columns, not of its bytes: the
same quotes with another column beside them, or packed, are the same quotes. A
file's own digest leads there. Both are written beside and renamed, so that a
process sees a whole set or none, and two that write the same one do not mind.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from daemon.adapters.quotes.files.columnar import MAGIC, parquet_rows
from daemon.adapters.quotes.files.comma import Faults, Rows, Table
from daemon.errors import InputError
from daemon.market.quotes import PRICES, Quotes
from daemon.ports import LoadedQuotes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FORMAT = 1
"""Of the cache: what another one wrote is not looked at."""

GZIP = b"\x1f\x8b"
AT_US = "at_us"


class QuoteFiles:
    """Reads files of quotes; with a folder, parses none of them twice."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = None if cache is None else cache / f"quotes-{FORMAT}"

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
        folder = None if self._cache is None else self._cache / digest
        if folder is None or not folder.is_dir():
            return None
        try:
            prices = [_mapped(folder / f"{name}.npy") for name in PRICES]
            timed = (folder / f"{AT_US}.npy").exists()
            at_us = _mapped(folder / f"{AT_US}.npy") if timed else None
            return _quotes(prices, at_us, digest)
        except (OSError, ValueError):
            return None  # half a set, after the power failed: it is parsed again

    # ── the cache ────────────────────────────────────────────────────────────
    def _known(self, source: str, *, skip: bool) -> LoadedQuotes | None:
        """Look a file up by the digest of its bytes."""
        if self._cache is None:
            return None
        try:
            told = json.loads(self._note(source).read_text(encoding="utf-8"))
            skipped, digest = int(told["skipped"]), str(told["digest"])
            examples = tuple(str(example) for example in told["examples"])
            rows = int(told["rows"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if skipped and not skip:
            return None  # it is parsed again, to say where
        quotes = self.by_digest(digest)
        if quotes is None or len(quotes) != rows:
            return None
        return LoadedQuotes(quotes, skipped, examples, cached=True)

    def _kept(self, source: str, loaded: LoadedQuotes) -> LoadedQuotes:
        """Write quotes down for the next one, if the folder takes them."""
        if self._cache is None:
            return loaded
        quotes = loaded.quotes
        with contextlib.suppress(OSError):  # a full or locked folder costs time, no results
            self._cache.mkdir(parents=True, exist_ok=True)
            if self.by_digest(quotes.digest) is None:
                self._write(quotes)
            note = {
                "digest": quotes.digest,
                "rows": len(quotes),
                "skipped": loaded.skipped,
                "examples": loaded.examples,
            }
            self._write_note(self._note(source), note)
        mapped = self.by_digest(quotes.digest)
        if mapped is None:
            return loaded
        return LoadedQuotes(mapped, loaded.skipped, loaded.examples)

    def _note(self, source: str) -> Path:
        assert self._cache is not None  # noqa: S101 - asked only where there is a folder
        return self._cache / f"{source}.json"

    def _write(self, quotes: Quotes) -> None:
        assert self._cache is not None  # noqa: S101 - same
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._cache))
        try:
            columns: dict[str, NDArray[Any]] = dict(zip(PRICES, quotes.prices, strict=True))
            if quotes.at_us is not None:
                columns[AT_US] = quotes.at_us
            for name, column in columns.items():
                with (made / f"{name}.npy").open("wb") as file:
                    np.save(file, column)
                    file.flush()
                    os.fsync(file.fileno())
            made.chmod(0o755)
            target = self._cache / quotes.digest
            try:
                made.rename(target)
            except OSError:  # somebody was faster, or there is half a set
                if self.by_digest(quotes.digest) is None:
                    shutil.rmtree(target, ignore_errors=True)
                    made.rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @staticmethod
    def _write_note(path: Path, note: dict[str, Any]) -> None:
        made = path.with_name(f".new-{os.getpid()}-{path.name}")
        made.write_text(json.dumps(note), encoding="utf-8")
        made.replace(path)


def _mapped(path: Path) -> NDArray[Any]:
    """Map a column into memory; an array that looks at it costs less than a `memmap` to slice."""
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty")
    found: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return found


def _quotes(
    prices: list[NDArray[np.float64]], at_us: NDArray[np.int64] | None, digest: str
) -> Quotes:
    bid_a, ask_a, bid_b, ask_b = prices
    return Quotes(bid_a, ask_a, bid_b, ask_b, at_us, digest)


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
    return LoadedQuotes(_quotes(prices, at_us, digest), faults.count, faults.examples)


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
    found = hashlib.sha256(b"untimed" if at_us is None else at_us.astype("<i8").tobytes())
    for column in prices:
        column[np.isnan(column)] = np.nan
        np.add(column, 0.0, out=column)  # there is one zero
        found.update(column.astype("<f8", copy=False).tobytes())
    return found.hexdigest()
