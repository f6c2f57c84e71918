"""How far the winner of a study may be luck: what it and all others did on all rows, weighed.

All trials are compared as if they had the winner's costs, sizes and exit model. Those
are assumptions about the world or matters of scale; that lower costs bring more is no
discovery. Beside the trials stand points spread evenly over the domain (see `crowd`).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.params import Combinations
from daemon.market.staircase import sweep
from daemon.search.luck import GIVEN
from daemon.search.overfitting import (
    SLICES,
    Deflated,
    Overfitting,
    deflated,
    effective_trials,
    overfitting,
)
from daemon.search.slices import slice_pnl
from daemon.search.studies.crowd import spread
from daemon.search.studies.marked import bins_of, by_rows, by_time, marked, trade_pnl
from daemon.search.studies.null import Reality, reality_check
from daemon.search.trials import evenly
from daemon.services.studying.measuring import drawn
from daemon.services.sweeping.keys import some

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daemon.market.params import Params
    from daemon.services.studying.evidence import Evidence, SymbolData

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

LOOKED_AT = 2_048
"""Trials that are weighed; of more of them so many that lie evenly among all."""

NULL = 0x6E756C6C
"""What the draws of the reality check are seeded with, beside the seed of the study."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Weighed:
    """What is said of the winner, given all that was tried."""

    trials: int
    """Distinct combinations that were ever tried on these data."""
    effective_trials: float
    compared: int
    """How many of this study's were weighed,"""
    crowd: int
    """and how many points spread evenly beside them."""
    pnl_usd: float
    """What the winner brought over all rows, open trades as they stand."""
    trades: int
    reality: Reality | None
    deflated: Deflated | None
    overfitting: Overfitting | None
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        found, chosen = self.deflated, self.overfitting
        return {
            "trials": self.trials,
            "effective_trials": self.effective_trials,
            "compared": self.compared,
            "crowd": self.crowd,
            "deflated_sharpe": None if found is None else found.probability,
            "sharpe": None if found is None else _besides(asdict(found)),
            "pbo": None if chosen is None else chosen.probability,
            "cross_validation": None if chosen is None else _besides(asdict(chosen)),
            "reality_check": None if self.reality is None else asdict(self.reality),
            "notes": [*self.notes],
        }


def _besides(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what stands on its own, and name what the ratio is taken over."""
    kept = {name: value for name, value in body.items() if name != "probability"}
    return {"bins" if name == "trades" else name: value for name, value in kept.items()}


def weigh(evidence: Evidence, winner: Params, most: int = LOOKED_AT) -> Weighed:
    """Compare the winner with everybody else of its study, and with who was tried elsewhere."""
    notes: list[str] = []
    trials = _alike(_all_trials(evidence, most, notes), winner)
    points = drawn(evidence.wanted, spread(evidence.wanted.domain)).combinations
    everybody = _joined([_alike(_one(winner), winner), trials, _alike(points, winner)])
    gains = gains_of(evidence, everybody)
    total = max(evidence.tried, 1) + evidence.elsewhere
    brought = np.concatenate(
        [one.weight * trade_pnl(one.quotes, winner, _until(one, winner)) for one in evidence.data]
    )
    evidence.go_on()
    reality = reality_check(
        gains,
        0,
        evidence.wanted.resamples,
        np.random.default_rng([evidence.wanted.seed, NULL]),
    )
    evidence.go_on()
    bets = _bets(gains, reality, total / max(evidence.tried, 1), total)
    return Weighed(
        trials=total,
        effective_trials=bets,
        compared=len(trials),
        crowd=len(points),
        pnl_usd=float(brought.sum()),
        trades=len(brought),
        reality=reality,
        deflated=_deflated(gains, bets),
        overfitting=_chosen(evidence, everybody, notes),
        notes=tuple(notes),
    )


# ── who is compared ──────────────────────────────────────────────────────────
def _all_trials(evidence: Evidence, most: int, notes: list[str]) -> Combinations:
    """Give the distinct points of all folds, or some that lie evenly among them."""
    domain = evidence.wanted.domain
    first: dict[str, tuple[int, int]] = {}
    for fold, one in enumerate(evidence.folds):
        for place, point in enumerate(one.points):
            first.setdefault(domain.key(point), (fold, place))
    new = [
        np.array([place for at, place in first.values() if at == fold], np.int64)
        for fold in range(len(evidence.folds))
    ]
    found = _joined([some(one.params, mine) for one, mine in zip(evidence.folds, new, strict=True)])
    kept = evenly(np.arange(len(found)), most)
    if len(kept) < len(found):
        notes.append(f"{len(kept):,} of {len(found):,} trials were weighed, evenly spread")
    return some(found, kept)


def _one(winner: Params) -> Combinations:
    return Combinations.of([winner])


def _joined(parts: Sequence[Combinations]) -> Combinations:
    return Combinations(
        **{
            name: np.concatenate([getattr(one, name) for one in parts])
            for name in Combinations.__slots__
        }
    )


def _alike(trials: Combinations, winner: Params) -> Combinations:
    """Give trials the winner's costs, sizes and exit model."""
    return replace(
        trials,
        **{name: np.full(len(trials), getattr(winner, name)) for name in GIVEN},
    )


# ── what they did ────────────────────────────────────────────────────────────
def gains_of(evidence: Evidence, trials: Combinations) -> Floats:
    """Give what trials gained on all symbols together, bin by bin: (bins, trials)."""
    ends = _ends(evidence.data)
    parts = [
        one.weight * marked(one.quotes, trials, mine, evidence.go_on)
        for one, mine in zip(evidence.data, ends, strict=True)
    ]
    found: Floats = np.sum(parts, axis=0)
    return found


def _ends(data: Sequence[SymbolData]) -> list[Ints]:
    """Cut time into bins that all symbols share: by moments where all have them, else by rows."""
    bins = bins_of(min(len(one.quotes) for one in data))
    moments = [one.quotes.at_us for one in data if one.quotes.at_us is not None]
    if len(data) > 1 and len(moments) == len(data):
        return by_time(moments, bins)
    return [by_rows(len(one.quotes), bins) for one in data]


def _until(one: SymbolData, winner: Params) -> int | None:
    """Say how many rows there are before the drawdown ends the run."""
    if winner.stop_on_drawdown_pct is None:
        return None
    return int(sweep(one.quotes, _one(winner)).columns["rows_processed"][0])


# ── what follows ─────────────────────────────────────────────────────────────
def _bets(gains: Floats, reality: Reality | None, more: float, total: int) -> float:
    """Say how many independent bets all trials amount to that were ever made on these data.

    The reality check knows how many those of this study amount to; others, of which
    nothing is known, are taken to be as different from each other as these are. The
    mean correlation, by which sessions count, is an upper bound: a few trials that have
    nothing to do with the others make it say far too many.
    """
    most = effective_trials(gains, total)
    return most if reality is None else min(most, max(reality.bets * more, 1.0))


def _deflated(gains: Floats, bets: float) -> Deflated | None:
    """Deflate the winner's Sharpe ratio, taken over bins of time and not over trades.

    Trades that are open together are one bet, however many they are, and losses that
    are not realized yet are losses; bins know of both. All trials have equally many
    bins, so chance alone says how far ratios lie apart that are zero in truth. What
    was measured among the trials would count the good and the bad as luck, too: a
    search over a wide domain could never find anything.
    """
    return deflated(gains[:, 0], bets, 1 / math.sqrt(len(gains)))


def _chosen(evidence: Evidence, trials: Combinations, notes: list[str]) -> Overfitting | None:
    if min(len(one.quotes) for one in evidence.data) < 2 * SLICES:
        notes.append(f"there are too few rows to be cut into {SLICES} slices")
        return None
    parts = [one.weight * slice_pnl(one.quotes, trials) for one in evidence.data]
    found = overfitting(np.sum(parts, axis=0))
    if found is None:
        notes.append("they all brought the same in every slice: there was nothing to choose")
    return found
