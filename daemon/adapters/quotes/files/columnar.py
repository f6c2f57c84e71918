"""Quotes out of Parquet, which only those need who have such files: the extra 'parquet'."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.adapters.quotes.files.comma import TIMESTAMP, WANTED, Rows, is_moment
from daemon.adapters.quotes.files.moments import moment
from daemon.errors import InputError, MissingExtra
from daemon.market.quotes import PRICES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from daemon.adapters.quotes.files.comma import Faults

MAGIC = b"PAR1"


def parquet_rows(stream: BinaryIO, faults: Faults) -> Iterator[Rows]:
    """Give the rows of a file, batch by batch.

    Raises:
        InputError: it is no table of quotes, or a row of it holds no numbers.
        MissingExtra: nothing here reads Parquet.
    """
    try:
        parquet = import_module("pyarrow.parquet")
        arrow = import_module("pyarrow")
    except ImportError:
        raise MissingExtra(
            f"{faults.name} is Parquet, which needs pyarrow, and it is not installed",
            hint="pip install pyarrow, or save the quotes as CSV",
        ) from None
    try:
        file = parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        if missing := [name for name in WANTED if name not in names]:
            raise InputError(f"{faults.name}: there is no column {', '.join(missing)}")
        first = 1
        timed: bool | None = None
        for batch in file.iter_batches(columns=list(WANTED)):
            column = batch.column(TIMESTAMP)
            timed = _timed(arrow, column) if timed is None else timed
            yield _rows(arrow, batch, timed=timed, first=first, faults=faults)
            first += batch.num_rows
    except arrow.ArrowException as error:
        raise InputError(f"{faults.name}: it cannot be read as Parquet: {error}") from error


def _timed(arrow: Any, column: Any) -> bool:
    if arrow.types.is_timestamp(column.type) or arrow.types.is_date(column.type):
        return True
    return bool(len(column)) and is_moment(str(column[0].as_py()))


def _rows(arrow: Any, batch: Any, *, timed: bool, first: int, faults: Faults) -> Rows:
    prices = [
        np.asarray(batch.column(name).cast(arrow.float64()).to_numpy(zero_copy_only=False))
        for name in PRICES
    ]
    good = np.ones(batch.num_rows, np.bool_)
    for name in WANTED if timed else PRICES:
        good &= ~np.asarray(batch.column(name).is_null().to_numpy(zero_copy_only=False))
    for place in np.flatnonzero(~good).tolist():
        faults.add(first + place, "a value is missing")
    at_us = _moments(arrow, batch.column(TIMESTAMP), good, first, faults) if timed else None
    if not good.all():
        prices = [column[good] for column in prices]
        at_us = None if at_us is None else at_us[good]
    return Rows(at_us, tuple(prices))


def _moments(
    arrow: Any, column: Any, good: NDArray[np.bool_], first: int, faults: Faults
) -> NDArray[np.int64]:
    if arrow.types.is_timestamp(column.type) or arrow.types.is_date(column.type):
        plain = column.cast(arrow.timestamp("us"), safe=False).cast(arrow.int64())
        return np.asarray(plain.fill_null(0).to_numpy(zero_copy_only=False))
    at_us = np.zeros(len(column), np.int64)
    for place in np.flatnonzero(good).tolist():
        try:
            at_us[place] = moment(str(column[place].as_py()))
        except ValueError:
            faults.add(first + place, f"{TIMESTAMP} is no moment")
            good[place] = False
    return at_us
