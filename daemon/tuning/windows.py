"""From samples to evidence: robust means of five seconds each, and windows made of them.

Whatever judges a signal looks at *blocks*: short enough that a window has many,
long enough that one outlier or a burst of NaN within a block does not show.
A block depends on its own samples alone, so a day summarised at once has the
very numbers that a daemon saw block by block: that is what replay rests on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning.block import BLOCK_US

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KEEP = 1440
"""How many blocks are remembered: two hours, what the noise of a signal is learned from."""

LARGEST = 1e300
"""What is larger is not a number that can be averaged, no more than infinity."""

CLIP_AT = 3 * 1.4826
"""How many median deviations from the median a value may lie: three sigmas, if it is normal."""

RARE = 10
"""At most one in so many values at either end is taken for an outlier and clipped.

Of 25 values that is two: a third one shows. Half of them, as the median alone
would allow, would make a signal of two values or two modes its more frequent one.
"""

SHORTEST = 4
"""A correlation cannot be corrected for the length of a series that is shorter."""


# ── samples to blocks ────────────────────────────────────────────────────────
def summarise(at_us: Ints, values: Floats, first: int, count: int) -> tuple[Floats, Ints]:
    """Summarise one signal's samples, in order of time, into blocks ``first .. first + count``.

    Returns:
        The robust mean of each block and how many finite samples it has; a block
        without any is NaN and 0. Samples outside of the blocks are left out.
    """
    sound = np.abs(values) < LARGEST
    if not sound.all():
        at_us, values = at_us[sound], values[sound]
    edges = np.searchsorted(at_us, (first + np.arange(count + 1)) * BLOCK_US)
    n = np.diff(edges)
    mean = np.full(count, np.nan)
    for size in sorted(set(n.tolist()) - {0}):  # nearly always one: 25 at 5 Hz
        alike = np.flatnonzero(n == size)
        if size == 1:  # a value alone is its mean; + 0.0: no -0.0
            mean[alike] = values[edges[alike]] + 0.0
        else:
            mean[alike] = _robust_means(values[edges[alike, None] + np.arange(size)])
    return mean, n


def _robust_means(rows: Floats) -> Floats:
    """Average each row, its outliers clipped to three sigmas (by MAD) from its median.

    Two kinds of rows look like outliers to the MAD and are none: a signal with
    few values (0, 1, 1, 0: the MAD is often 0) and one with two modes. So only a
    tenth of the values at either end, at least one, is ever clipped; what is
    more frequent than that is what the signal does.
    """
    size = rows.shape[1]
    rows = np.sort(rows, axis=1)
    median = _middle(rows)
    reach = CLIP_AT * _middle(np.sort(np.abs(rows - median), axis=1))
    spare = min((size - 1) // 2, max(1, size // RARE))
    low = np.minimum(median - reach, rows[:, spare, None])
    high = np.maximum(median + reach, rows[:, size - 1 - spare, None])
    mean = np.minimum(np.maximum(rows, low), high).mean(axis=1)
    # Rounding must not take the mean of equal values away from them; + 0.0: no -0.0.
    within: Floats = np.minimum(np.maximum(mean, rows[:, 0]), rows[:, -1])
    return within + 0.0


def _middle(rows: Floats) -> Floats:
    """Take the median of sorted rows, as a column."""
    size = rows.shape[1]
    middle: Floats = (rows[:, (size - 1) // 2, None] + rows[:, size // 2, None]) / 2
    return middle


# ── the recent past ──────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class Window:
    """What some signals did on average in blocks ``[first, end)``."""

    signals: tuple[str, ...]
    first: int
    end: int
    mean: Floats
    """Per signal, the mean of its blocks weighted by their samples; NaN without any."""
    n: Ints
    """Per signal, how many samples."""
    share: Floats
    """Per signal, the share of the window's blocks that have samples."""


class _Buffer:
    """Rows that several `Blocks` look at; each is written once, behind all that anyone sees."""

    __slots__ = ("_count", "_mean", "count", "mean", "used")

    def __init__(self, rows: int, width: int) -> None:
        self.used = 0
        self._mean = np.empty((rows, width))
        self._count = np.empty((rows, width), np.int64)
        self.mean = self._mean.view()
        self.count = self._count.view()
        self.mean.flags.writeable = False
        self.count.flags.writeable = False

    def append(self, gap: int, mean: Floats, count: Ints) -> None:
        """Write the next rows, behind a gap of rows without samples."""
        start = self.used + gap
        if gap:
            self._mean[self.used : start] = np.nan
            self._count[self.used : start] = 0
        self.used = start + len(mean)
        self._mean[start : self.used] = mean
        self._count[start : self.used] = count


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """The recent past of some signals, a row a block, the newest last; it never changes.

    `extend` returns a longer past. Both share their memory: the new rows are
    written behind the last one that anyone has seen, and only now and then, or
    when one past is continued twice, what is kept is copied.
    """

    signals: tuple[str, ...]
    end: int
    """The block that comes next: the last row is block ``end - 1``."""
    keep: int
    """At most so many rows are kept."""
    _buffer: _Buffer = field(repr=False)
    _start: int = field(repr=False)
    _stop: int = field(repr=False)

    @classmethod
    def empty(cls, signals: tuple[str, ...], end: int = 0, keep: int = KEEP) -> Self:
        """Know nothing yet; block ``end`` will be the first."""
        return cls(signals, end, keep, _Buffer(2 * keep, len(signals)), 0, 0)

    @property
    def first(self) -> int:
        """The oldest block that is known."""
        return self.end - len(self)

    @property
    def mean(self) -> Floats:
        """Block means, (rows, signals), read-only; NaN where there were no samples."""
        return self._buffer.mean[self._start : self._stop]

    @property
    def count(self) -> Ints:
        """Samples per block, (rows, signals), read-only."""
        return self._buffer.count[self._start : self._stop]

    def __len__(self) -> int:
        return self._stop - self._start

    def last(self, rows: int) -> Self:
        """Look at the newest rows only."""
        return self.between(self.end - rows, self.end)

    def between(self, first: int, end: int) -> Self:
        """Look at blocks ``[first, end)`` only, as far as they are known."""
        end = min(max(end, self.first), self.end)
        first = min(max(first, self.first), end)
        ahead = self._stop - self.end
        # Written out: `dataclasses.replace` costs five times as much, several times a cycle.
        return type(self)(self.signals, end, self.keep, self._buffer, first + ahead, end + ahead)

    def extend(self, first: int, mean: Floats, count: Ints) -> Self:
        """Add what blocks ``first, first + 1, ...`` saw; blocks left out had no samples.

        Raises:
            ValueError: the blocks are not new, or not of these signals.
        """
        if first < self.end:
            raise ValueError(f"block {first} is not new: {self.end} comes next")
        if mean.shape != count.shape or mean.shape[1:] != (len(self.signals),):
            raise ValueError(f"{mean.shape} and {count.shape} are not rows of {self.signals}")
        end = first + len(mean)
        mean, count = mean[max(len(mean) - self.keep, 0) :], count[max(len(mean) - self.keep, 0) :]
        kept = max(min(len(self), self.keep - (first - self.end) - len(mean)), 0)
        gap = first - self.end if kept else 0
        buffer = self._room(kept, gap + len(mean))
        buffer.append(gap, mean, count)
        start = buffer.used - len(mean) - gap - kept
        return replace(self, end=end, _buffer=buffer, _start=start, _stop=buffer.used)

    def _room(self, kept: int, rows: int) -> _Buffer:
        """Find a buffer that ends with so many of our rows and has room for more."""
        buffer = self._buffer
        if buffer.used == self._stop and self._stop + rows <= len(buffer.mean):
            return buffer
        fresh = _Buffer(2 * self.keep, len(self.signals))
        fresh.append(0, self.mean[len(self) - kept :], self.count[len(self) - kept :])
        return fresh

    def window(self, first: int, end: int) -> Window:
        """Average blocks ``[first, end)``; those that are not known have no samples."""
        seen = self.between(first, end)
        weight = seen.count
        n = weight.sum(axis=0)
        total = np.where(weight > 0, seen.mean * weight, 0.0).sum(axis=0)
        mean = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
        share = np.count_nonzero(weight, axis=0) / max(end - first, 1)
        return Window(self.signals, first, end, mean, n, share)


# ── how much a series says ───────────────────────────────────────────────────
def lag_one(means: Floats) -> float:
    """Estimate what share of a block's deviation the next one inherits, from 0 to 1.

    A short series looks less correlated than it is, because its own mean takes
    the slowest part away: by (1 + 3 phi) / n, which is given back here. Blocks
    without samples are left out. Nothing is claimed where nothing can be seen:
    fewer than four blocks, or none that differs, count as wholly dependent.
    """
    seen = np.isfinite(means)
    n = int(np.count_nonzero(seen))
    if n < SHORTEST:
        return 1.0
    around = np.where(seen, means - means[seen].mean(), 0.0)
    widest = np.abs(around).max()
    pairs = int(np.count_nonzero(seen[1:] & seen[:-1]))
    if not pairs or not widest:
        return 1.0
    around /= widest  # so that no square is too large or too small for a double
    found = float(around[1:] @ around[:-1]) / pairs / (float(around @ around) / n)
    return min(max((n * found + 1) / (n - 3), 0.0), 1.0)


def effective_n(means: Floats, phi: float | None = None) -> float:
    """Say how many independent blocks would fix the mean as well as these.

    The variance of the mean of n values of an AR(1) process, written out: no
    approximation, so that one value never counts as less than one. Give ``phi``
    where it is known from a longer past than these blocks. Blocks without samples
    are closed up, which makes it a little too small rather than too large.
    """
    n = int(np.count_nonzero(np.isfinite(means)))
    lag = np.arange(1, n)
    power = (lag_one(means) if phi is None else phi) ** lag
    return float(n / (1 + 2 * ((1 - lag / max(n, 1)) * power).sum()))


# ── sick streams ─────────────────────────────────────────────────────────────
class Unfit(StrEnum):
    """Why a window may not be evidence."""

    NO_DATA = "no_data"
    NOT_FINITE = "not_finite"
    STALE = "stale"
    LOW_N = "low_n"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a window must have to be evidence."""

    samples: int = 300
    """At least so many finite samples."""
    fresh_us: int = 30_000_000
    """The newest finite sample is not older than this."""
    sound_share: float = 0.8
    """At least this share of the samples is finite."""


def fitness(at_us: Ints, values: Floats, now_us: int, need: Need) -> Unfit | None:
    """Say why samples, in order of time, may not be evidence; None if they may."""
    if not len(values):
        return Unfit.NO_DATA
    sound = np.abs(values) < LARGEST
    n = int(np.count_nonzero(sound))
    if n < max(need.sound_share * len(values), 1):
        return Unfit.NOT_FINITE
    if now_us - int(at_us[sound][-1]) > need.fresh_us:
        return Unfit.STALE
    return _unfit_values(values[sound], n, need)


def block_fitness(blocks: Blocks, now_us: int, need: Need) -> tuple[Unfit | None, ...]:
    """Say of each signal why its blocks may not be evidence.

    Blocks hold finite samples only, so none is `NOT_FINITE`. A signal whose
    blocks all have one mean counts as frozen, even if it swings within each.
    """
    columns = zip(blocks.mean.T, blocks.count.T, strict=True)
    return tuple(
        _unfit_blocks(mean, count, now_us - blocks.first * BLOCK_US, need)
        for mean, count in columns
    )


def _unfit_blocks(mean: Floats, count: Ints, now_us: int, need: Need) -> Unfit | None:
    """Judge one signal; the moment is counted from the start of the first block."""
    seen = np.flatnonzero(count)
    if not len(seen):
        return Unfit.NO_DATA
    if now_us - (int(seen[-1]) + 1) * BLOCK_US > need.fresh_us:
        return Unfit.STALE
    return _unfit_values(mean[seen], int(count.sum()), need)


def _unfit_values(values: Floats, n: int, need: Need) -> Unfit | None:
    if n < need.samples:
        return Unfit.LOW_N
    frozen = len(values) > 1 and (values == values[0]).all()
    return Unfit.FROZEN if frozen else None
