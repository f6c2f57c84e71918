"""Where a drawdown stops a run: falls turned into percent of what each combination had."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.columns import SideBySide, changes
from daemon.market.metrics import EPS, stops, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.market.closes import Closes
    from daemon.market.drawdowns import Falls, Paths

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

PAIRS = 1 << 18
"""Combinations times falls that are weighed together."""

NEARLY = 1e-10
"""A drawdown that is this near to being enough for a stop, or not, is followed exactly."""

VAGUE = 1e-6
"""So is one that rounding may have moved by a larger share, or by more of a percent."""


@dataclass(frozen=True, eq=False, slots=True)
class Asked(SideBySide):
    """Combinations of one exit model and one number of open trades."""

    place: Ints
    """The number of its list."""
    costs: Floats
    """What a trade pays in all, in bps."""
    position: Floats
    balance: Floats
    """What is there at the start."""
    limit: Floats
    """The drawdown in percent that stops a run; infinite if none does."""


@dataclass(frozen=True, eq=False, slots=True)
class Verdict(SideBySide):
    """Per combination, what its falls mean."""

    deepest: Floats
    """The deepest drawdown in percent, up to the stop if there is one."""
    close: Ints
    """The close with which it is stopped; -1 if nothing stops it."""
    doubt: Bools
    """Rounding may decide whether the threshold is met."""


def weigh(
    closes: Closes, followed: tuple[Paths, Falls, Floats], path_of: Ints, asked: Asked
) -> Verdict:
    """Find the deepest drawdown of each combination, and the first that stops it."""
    paths, falls, noise = followed
    made = Verdict.empty(len(asked))
    made.close[:] = -1
    same = ~changes(falls.path[::-1]) & ~changes(falls.peak[::-1])
    deepest = falls[~same[::-1]]
    near = np.zeros(len(asked), np.bool_)
    for owner, at in _pairs(deepest.path, path_of, np.arange(len(asked))):
        drawdown, blur = _percent(deepest[at], noise[path_of[owner]], asked[owner])
        begins = np.flatnonzero(changes(owner))
        made.deepest[owner[begins]] = np.maximum.reduceat(drawdown, begins)
        vague = blur > VAGUE * np.maximum(drawdown, 1.0)
        made.doubt[owner[begins]] = np.logical_or.reduceat(vague, begins)
        over = _over(drawdown, blur, asked.limit[owner])
        near[owner[begins]] = np.logical_or.reduceat(over, begins)
    for owner, at in _pairs(falls.path, path_of, np.flatnonzero(near)):
        drawdown, blur = _percent(falls[at], noise[path_of[owner]], asked[owner])
        enough = np.flatnonzero(_over(drawdown, blur, asked.limit[owner]))
        first = enough[changes(owner[enough])]
        which = owner[first]
        path = path_of[which]
        found = _within(closes, paths[path], falls[at[first]], (noise[path], asked[which]))
        made.put(which, **found.named())
    return made


def _pairs(path: Ints, path_of: Ints, some: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pair combinations with the falls of their paths, those of one side by side."""
    begins = np.searchsorted(path, path_of[some])
    number = np.searchsorted(path, path_of[some], side="right") - begins
    total = np.cumsum(number)
    start = 0
    while start < len(some):
        past = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, past + PAIRS, side="right")), start + 1)
        lengths = number[start:stop]
        shift = begins[start:stop] - (total[start:stop] - lengths - past)
        at = np.repeat(shift, lengths)
        at += np.arange(len(at))
        if len(at):
            yield np.repeat(some[start:stop], lengths), at
        start = stop


def _over(drawdown: Floats, blur: Floats, limit: Floats) -> Bools:
    """Tell which drawdowns stop a run, or may if rounding helps."""
    found: Bools = stops(drawdown + blur, limit * (1 - NEARLY))
    return found


def _within(closes: Closes, paths: Paths, falls: Falls, of: tuple[Floats, Asked]) -> Verdict:
    """Look for the first close that stops a run, one by one within a fall that does."""
    noise, asked = of
    block = falls.first // closes.height
    close = block * closes.height + np.arange(closes.height)[:, None]
    path = closes.within(paths.number, paths.costs, block)
    drawdown, blur = _percent(replace(falls, fall=falls.peak - path), noise, asked)
    here = (close >= falls.first) & (close <= falls.last)
    step = (here & _over(drawdown, blur, asked.limit)).argmax(axis=0)
    deepest = np.take_along_axis(drawdown, step[None], axis=0)[0]
    doubt = ~stops(deepest - blur, asked.limit * (1 + NEARLY))
    return Verdict(deepest, block * closes.height + step, doubt)


def _percent(falls: Falls, noise: Floats, asked: Asked) -> tuple[Floats, Floats]:
    """Give falls in percent of their peaks, and by how much rounding may have moved those."""
    peak = asked.balance + usd(falls.peak, asked.position)
    drawdown = 100.0 * usd(falls.fall, asked.position) / peak
    blur = 200.0 * (usd(noise, asked.position) + 4 * EPS * asked.balance) / peak
    return drawdown, blur
