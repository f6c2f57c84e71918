"""Streams that look alive and are not: one that stands still, one whose unit changed.

Both are told from block means alone, against the signal's own past, so that what
a signal always did is never held against it. A run of equal blocks is *stillness*
only in a signal that used to move, and only if it is far longer than its runs
used to be: an error rate that is 0 most of the day is not frozen at 0. A jump is
a change of *unit* only if it happens at once, stays, is by a factor that units
differ by, and carries the noise along by the same factor: a step that a rule
caused moves the level and leaves the noise where it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.windows import Floats, Ints

STILL = 6
"""Equal blocks that may be stillness: half a minute. Fewer may be chance in whole numbers."""

VARIED = 6
"""Runs that must lie behind a signal before it counts as one that moves."""

USUAL = 0.25
"""A run is usual if at least this share of the past lies in runs as long as it."""

LONGER = 3
"""Stillness is longer than usual runs by this factor."""

KNOWN = 12
"""Blocks that a level must be known by before a jump can be told from it."""

STAYS = 3
"""Blocks for which a jump must last."""

UNITS = (8.0, 60.0, 100.0, 1e3, 1024.0, 3600.0, 86_400.0, 1e6, 1_048_576.0, 1e9)
"""Factors that units differ by: bits, minutes, per cent, thousands, kibi, hours, days, ..."""

BEYOND = 500.0
"""A larger factor is taken for a unit, known or not."""

FAR = 10.0
"""Median deviations by which the new level must be away from the old one."""

ROUGHLY = 0.15
"""How far a factor may be off, besides what noise explains."""

LEAST = UNITS[0] / (1 + ROUGHLY)

LOOSEST = 1.0

ENOUGH = 6
"""Blocks that tell how the noise has changed."""

BETWEEN = 0.4
"""Noise came along with the level if it changed by more than this power of the factor."""

BAD_SHARE = 0.2
"""More refused samples than this share, and those that were taken are no fair sample either."""

_NORMAL = 1.4826


# ── standing still ───────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Run:
    """Rows ``first .. last`` have one mean; those between without samples are passed over."""

    first: int
    last: int
    length: int
    value: float


def runs(mean: Floats) -> list[Run]:
    """Cut a column of block means into runs of equal ones."""
    rows = np.flatnonzero(np.isfinite(mean))
    if not len(rows):
        return []
    values = mean[rows]
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    ends = np.concatenate([starts[1:], [len(rows)]])
    return [
        Run(int(rows[start]), int(rows[end - 1]), int(end - start), float(values[start]))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def stillness(mean: Floats, since: int) -> Run | None:
    """Find the newest run, not over before row ``since``, in which a moving signal stood still."""
    found = runs(mean)
    for index in range(len(found) - 1, -1, -1):
        run = found[index]
        if run.last < since:
            return None
        if run.length >= STILL and _is_still(run, found[:index]):
            return run
    return None


def _is_still(run: Run, before: list[Run]) -> bool:
    return len(before) >= VARIED and run.length > LONGER * _usual(before)


def _usual(before: list[Run]) -> int:
    """Give the longest run length that a fair share of the past lies in."""
    lengths = np.sort([run.length for run in before])[::-1]
    within = np.cumsum(lengths) >= USUAL * lengths.sum()
    return int(lengths[int(np.argmax(within))])


# ── another unit ─────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Level:
    """Where a signal used to be, and how far its blocks lay apart."""

    median: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Jump:
    """From this row on the values are so many times what they were."""

    row: int
    factor: float


def level(mean: Floats) -> Level | None:
    """Say where a signal is; None if it is not known well enough, or at 0, which has no unit."""
    seen = mean[np.isfinite(mean)]
    if len(seen) < KNOWN:
        return None
    median = float(np.median(seen))
    if not median:
        return None
    return Level(median, float(np.median(np.abs(seen - median))))


def unit_jump(mean: Floats, since: int, before: Level) -> Jump | None:
    """Find the first jump to another unit, from a level, that is not over before row ``since``."""
    rows = np.flatnonzero(np.isfinite(mean))
    values = mean[rows]
    with np.errstate(over="ignore"):
        ratio = values / before.median
        far = np.abs(values - before.median) > FAR * before.deviation
    side = far * ((ratio >= LEAST).astype(int) - ((ratio > 0) & (ratio <= 1 / LEAST)))
    for start, end in _stretches(side):
        factor = _factor(float(np.median(ratio[start:end])), before)
        sudden = factor and _at_once(ratio, start, factor)
        if sudden and int(rows[end - 1]) >= since and _along(values[start:end], before, factor):
            return Jump(int(rows[start]), factor)
    return None


def _stretches(side: Ints) -> list[tuple[int, int]]:
    """List where the values stay on one side of the old level for long enough."""
    edges = [0, *(np.flatnonzero(side[1:] != side[:-1]) + 1).tolist(), len(side)]
    spans = pairwise(edges)
    return [(start, end) for start, end in spans if end - start >= STAYS and side[start]]


def _factor(ratio: float, before: Level) -> float:
    """Name the factor between units that a ratio is near to; 0 if it is near to none."""
    size = ratio if ratio > 1 else 1 / ratio
    loose = min(ROUGHLY + 3 * _NORMAL * before.deviation / abs(before.median), LOOSEST)
    unit = min(UNITS, key=lambda unit: abs(math.log(size / unit)))
    if abs(math.log(size / unit)) > math.log1p(loose):
        unit = size if size > BEYOND else 0.0
    return 1 / unit if unit and ratio < 1 else unit


def _at_once(ratio: Floats, start: int, factor: float) -> bool:
    """Tell whether the block before, or the one before that, was still near the old level."""
    if start == 0:
        return True  # what was before is only known as a level
    halfway = math.sqrt(factor)
    earlier = ratio[max(start - 2, 0) : start]
    return bool((earlier < halfway).any() if factor > 1 else (earlier > halfway).any())


def _along(values: Floats, before: Level, factor: float) -> bool:
    """Tell whether the noise rather changed with the level than not, as far as can be told."""
    if len(values) < ENOUGH or not before.deviation:
        return True
    deviation = float(np.median(np.abs(values - np.median(values))))
    between = before.deviation * factor**BETWEEN
    return bool(deviation >= between if factor > 1 else deviation <= between)


# ── refused samples ──────────────────────────────────────────────────────────
def worst(faults: Mapping[str, int], good: int) -> str | None:
    """Name the most frequent reason of refusal if too large a share was refused."""
    bad = sum(faults.values())
    if bad <= BAD_SHARE * (bad + good):
        return None
    return max(sorted(faults), key=lambda fault: faults[fault])
