"""Between which figures columns lie: it is known before they are read, and often says enough."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Columns = Mapping[str, NDArray[Any]]
    Spans = Mapping[str, tuple[float, float]]

UNKNOWN: Spans = MappingProxyType({})
"""Nothing is known."""

EXACT = 2.0**53
"""Whole numbers up to here are the same as floats."""


def spans_of(columns: Columns, names: Iterable[str], done: Bools) -> Spans:
    """Give the least and the most of columns, over the jobs that are done.

    Of a column in which one of these has no finite figure nothing is said.
    """
    found: dict[str, tuple[float, float]] = {}
    whole, some = bool(done.all()), bool(done.any())
    for name in names if some else ():
        values = columns[name] if whole else columns[name][done]
        low, high = float(values.min()), float(values.max())  # NaN if there is one
        sound = math.isfinite(low) and math.isfinite(high)
        if sound and (values.dtype.kind == "f" or max(-low, high) < EXACT):
            found[name] = low + 0.0, high + 0.0  # no zero has a sign
    return found


def lowest(spans: Spans, name: str) -> float:
    """Say what no figure of a column is below."""
    return spans[name][0] if name in spans else -math.inf


def highest(spans: Spans, name: str) -> float:
    """Say what no figure of a column is above."""
    return spans[name][1] if name in spans else math.inf


def best_of(columns: Columns, done: Bools, count: int) -> Ints:
    """Give the places of those with the most pnl, in order; of equal ones the first.

    They are most likely to be asked for, whatever the bounds are.
    """
    pnl = columns["realized_pnl_usd"]
    places = np.flatnonzero(done & np.isfinite(pnl))
    if len(places) > count:
        places = places[pnl[places] >= np.partition(pnl[places], -count)[-count]]
        places = np.sort(places[np.argsort(-pnl[places], kind="stable")[:count]])
    return places
