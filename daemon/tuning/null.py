"""What noise alone does: how far windows lie apart when nothing was changed.

Live signals remember: at 5 Hz and a correlation time of twenty seconds, ninety
seconds hold two independent values, not four hundred and fifty. No test that
looks at two windows alone can know that. So the noise is learned from all of
the recent past in which nothing was changed: an AR(1) process, fitted at two
scales (blocks of five seconds and means of six of them), of which the one that
promises less wins. That covers mixtures of fast and slow noise, which a single
process underestimates.

`placebos` measures the same thing without any model, by pretending that changes
were made where none was. It is the cross-check that calibration rests on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COARSE = 6
"""Blocks in a mean of the coarse scale: half a minute."""

PHI_MAX = 0.995
CLIP = 4 * 1.4826
"""Residuals are clipped at so many median deviations: an outlier is no noise level."""

PAIRS_MIN = 12
"""Neighbours that a fit needs."""

ROWS_MIN = {1: 24, COARSE: 20}
SETTING_MIN = {1: 12, COARSE: 6}
"""Rows that a fit needs in all, and of a setting so that its mean means something."""

TINY = 1e-12
FLOOR = 0.05
"""Share of a block's variance that is always taken for noise of that block alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """A run of blocks in which nothing was changed, and the setting it was run at."""

    setting: tuple[float, ...]
    rows: Floats
    """(blocks, signals), NaN where there is nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """An AR(1) process of each signal, whose steps are means of ``span`` blocks."""

    span: int
    phi: Floats
    variance: Floats

    def of_mean(self, blocks: int) -> Floats:
        """Give the variance of the mean of so many blocks."""
        n = max(1, round(blocks / self.span))
        phi = self.phi
        inner = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**n) / (n * (1 - phi) ** 2)
        return np.maximum(self.variance * inner / n, 0.0)

    def of_difference(self, before: int, gap: int, after: int) -> Floats:
        """Give the variance of a mean of blocks less an earlier one, ``gap`` blocks apart."""
        a, b = max(1, round(before / self.span)), max(1, round(after / self.span))
        apart = round(gap / self.span) + 1
        phi = self.phi
        shared = phi**apart * (1 - phi**a) * (1 - phi**b) / (a * b * (1 - phi) ** 2)
        both = self.of_mean(before) + self.of_mean(after)
        return np.maximum(both - 2 * self.variance * shared, TINY)


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """The noise of every signal, at one scale or two."""

    processes: tuple[Process, ...]

    def of_mean(self, blocks: int) -> Floats:
        """Give the variance of the mean of so many blocks."""
        largest: Floats = np.maximum.reduce([process.of_mean(blocks) for process in self.processes])
        return largest

    def of_difference(self, before: int, gap: int, after: int) -> Floats:
        """Give the variance of (mean after - mean before) if nothing was changed."""
        found = [process.of_difference(before, gap, after) for process in self.processes]
        largest: Floats = np.maximum.reduce(found)
        return largest

    def split(self) -> tuple[Floats, Floats, Floats]:
        """Split the noise into what lasts and what does not, for the filter.

        Returns:
            Per signal: the memory of the slow part from block to block, its
            variance, and the variance of a block's own part.
        """
        fine = self.processes[0]
        memory, slow = fine.phi, (1 - FLOOR) * fine.variance
        if len(self.processes) > 1:
            coarse = self.processes[1]
            wide = (18, 6, 18)
            slower = coarse.of_difference(*wide) > 1.05 * fine.of_difference(*wide)
            slower &= coarse.phi > FLOOR
            kept = np.maximum(coarse.phi, FLOOR) ** (1 / coarse.span)
            reach = -1 / (coarse.span * np.log(kept))
            shrink = 2 * reach**2 * (1 / reach - 1 + np.exp(-1 / reach))
            whole = np.maximum(fine.variance, coarse.variance)
            lasting = np.minimum(coarse.variance / shrink, whole)
            memory, slow = np.where(slower, kept, memory), np.where(slower, lasting, slow)
        return memory, slow, np.maximum(fine.variance - slow, FLOOR * fine.variance) + TINY


def fit(stretches: Sequence[Stretch]) -> Noise | None:
    """Learn the noise from stretches without changes; None while there are too few.

    Deviations are taken from the mean of a *setting*, over all its visits: the
    mean of a single short stretch would take most of a slow noise with it.
    """
    found = [process for span in (1, COARSE) if (process := _fit(stretches, span)) is not None]
    return Noise(tuple(found)) if found and found[0].span == 1 else None


def scaled(noise: Noise, ratio: Floats) -> Noise:
    """Say the same of signals in other units."""
    return Noise(
        tuple(replace(process, variance=process.variance * ratio**2) for process in noise.processes)
    )


def _fit(stretches: Sequence[Stretch], span: int) -> Process | None:
    visits: dict[tuple[float, ...], list[Floats]] = {}
    for stretch in stretches:
        rows = _means(stretch.rows, span)
        if len(rows) > 1:
            visits.setdefault(stretch.setting, []).append(rows)
    lengths = {setting: sum(map(len, rows)) for setting, rows in visits.items()}
    if sum(lengths.values()) < ROWS_MIN[span]:
        return None
    enough = [setting for setting, length in lengths.items() if length >= SETTING_MIN[span]]
    around = [rows for setting in enough for rows in _centred(visits[setting])]
    if sum(len(rows) - 1 for rows in around) < PAIRS_MIN:
        return None
    sizes = np.array([lengths[setting] for setting in enough], dtype=np.float64)
    return _process(around, span, float((sizes**2).sum() / sizes.sum()))


def _means(rows: Floats, span: int) -> Floats:
    """Average every ``span`` rows; a mean with any sample in it counts."""
    if span == 1:
        return rows
    whole = len(rows) // span * span
    grouped = rows[:whole].reshape(-1, span, rows.shape[1])
    seen = np.isfinite(grouped)
    n = seen.sum(axis=1)
    total = np.where(seen, grouped, 0.0).sum(axis=1)
    means: Floats = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return means


def _centred(visits: Sequence[Floats]) -> list[Floats]:
    rows = np.concatenate(visits)
    middle = _middle(rows)
    reach = CLIP * _middle(np.abs(rows - middle)) + TINY
    seen = np.isfinite(rows)
    n = np.maximum(seen.sum(axis=0), 1)
    inner = np.clip(rows, middle - reach, middle + reach)
    mean = np.where(seen, inner, 0.0).sum(axis=0) / n
    return [visit - mean for visit in visits]


def _process(around: Sequence[Floats], span: int, length: float) -> Process:
    """Fit neighbours by least squares, outliers clipped, corrected for the series' length."""
    reach = CLIP * _middle(np.abs(np.concatenate(around))) + TINY
    clipped = [np.clip(rows, -reach, reach) for rows in around]
    now, then = _neighbours(clipped)
    pairs = np.maximum((now != 0).sum(axis=0), 1)
    power = ((now**2).sum(axis=0) + (then**2).sum(axis=0)) / 2
    phi = (now * then).sum(axis=0) / np.maximum(power, TINY**2)
    phi = np.clip(phi + (1 + 4 * np.maximum(phi, 0.0)) / length, 0.0, PHI_MAX)
    left = ((now - phi * then) ** 2).sum(axis=0) / pairs
    return Process(span, phi, np.maximum(left / (1 - phi**2), TINY))


def _neighbours(runs: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Pair every row with the one before it; 0 where either is missing."""
    now = np.concatenate([rows[1:] for rows in runs])
    then = np.concatenate([rows[:-1] for rows in runs])
    both = np.isfinite(now) & np.isfinite(then)
    return np.where(both, now, 0.0), np.where(both, then, 0.0)


def _middle(rows: Floats) -> Floats:
    """Take the median of each signal, as far as it was seen."""
    inorder = np.sort(rows, axis=0)  # NaN last
    n = np.isfinite(inorder).sum(axis=0)
    middle = inorder[np.maximum((n - 1) // 2, 0), np.arange(rows.shape[1])]
    found: Floats = np.where(n > 0, middle, 0.0)
    return found


def placebos(rows: Floats, before: int, gap: int, after: int) -> Floats:
    """Take every difference of windows as if a change had been made between them.

    Returns:
        (differences, signals), overlapping, one a block; NaN where a window is empty.
    """
    width = before + gap + after
    if len(rows) < width:
        return np.empty((0, rows.shape[1]))
    seen = np.isfinite(rows)
    total = np.concatenate([np.zeros((1, rows.shape[1])), np.where(seen, rows, 0.0).cumsum(axis=0)])
    count = np.concatenate([np.zeros((1, rows.shape[1])), seen.cumsum(axis=0)])
    starts = np.arange(len(rows) - width + 1)

    def mean(first: int, n: int) -> Floats:
        have = count[starts + first + n] - count[starts + first]
        have = np.where(have > 0, have, np.nan)
        value: Floats = (total[starts + first + n] - total[starts + first]) / have
        return value

    return mean(before + gap, after) - mean(0, before)
