"""What a session's winner is worth, given how many were tried: all of it in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.breakpoints import pnl_usd
from daemon.market.params import Combinations
from daemon.search.overfitting import (
    SLICES,
    Deflated,
    Overfitting,
    deflated,
    effective_trials,
    overfitting,
    spread_of,
)
from daemon.search.slices import slice_pnl
from daemon.search.trials import evenly

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from daemon.market.params import Params
    from daemon.market.quotes import Quotes
    from daemon.search.trials import Trials

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Draw = Callable[[Ints], Combinations]

WEIGHED = 1_024
"""Jobs that are cross-validated; of more of them, so many that lie evenly among all."""

LOOKED_AT = 1 << 16
"""Jobs whose parameters are looked at, likewise."""

GIVEN = (
    "taker_fee_a_bps",
    "taker_fee_b_bps",
    "slippage_bps",
    "max_position_usd",
    "initial_balance_usd",
    "exchange_a_to_b_rate",
    "quoted",
)
"""What is an assumption about the world, or a size, and no choice that could be luck.

That lower costs bring more is true on every half of every data set: compared with
jobs that pay more, any winner would look well chosen.
"""

CONVERGENCE = "with exit_model convergence no trade can lose: what follows says nothing of risk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """How far the winner may be the luckiest of many."""

    winner: int
    """Its index."""
    trials: int
    """How many backtests were ever made on these quotes."""
    effective_trials: float
    """How many independent bets the winner is the best of; costs and sizes are no bets."""
    deflated: Deflated | None
    overfitting: Overfitting | None
    notes: tuple[str, ...] = ()
    """What could not be said, and what must be known to read the rest."""

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        found, chosen = self.deflated, self.overfitting
        return {
            "n": self.winner + 1,
            "trials": self.trials,
            "effective_trials": self.effective_trials,
            "deflated_sharpe": None if found is None else found.probability,
            "sharpe": None if found is None else _named(asdict(found), "probability"),
            "pbo": None if chosen is None else chosen.probability,
            "cross_validation": None if chosen is None else _named(asdict(chosen), "probability"),
            "notes": [*self.notes],
        }


def _named(body: dict[str, Any], besides: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != besides}


def luck(trials: Trials, winner: int) -> Luck | None:
    """Weigh the winner; None where there are no quotes to weigh it with."""
    quotes, draw = trials.quotes, trials.draw
    if quotes is None or draw is None:
        return None
    params = draw(np.array([winner]))[0]
    notes = [CONVERGENCE] if not params.quoted else []
    rivals = _rivals(trials, draw, params, notes)
    pnl = _pnl(quotes, draw(rivals.some), notes)
    total = rivals.count + trials.elsewhere
    bets = float(total) if pnl is None else effective_trials(pnl, total)
    return Luck(
        winner=winner,
        trials=int(np.count_nonzero(trials.done)) + trials.elsewhere,
        effective_trials=bets,
        deflated=_deflated(trials, rivals.some, pnl_usd(quotes, params), bets, notes),
        overfitting=None if pnl is None else _chosen(pnl, params, notes),
        notes=tuple(notes),
    )


# ── who the winner was chosen from ───────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class _Rivals:
    """The jobs that differ from the winner in nothing but what is truly chosen."""

    some: Ints
    """All of them, or some that lie evenly among them."""
    count: int
    """How many there are in all."""


def _rivals(trials: Trials, draw: Draw, params: Params, notes: list[str]) -> _Rivals:
    have, looked = int(np.count_nonzero(trials.done)), trials.sample(LOOKED_AT)
    drawn, own = draw(looked), Combinations.of([params])
    alike = np.ones(len(looked), np.bool_)
    for name in GIVEN:
        alike &= getattr(drawn, name) == getattr(own, name)[0]
    found = looked[np.flatnonzero(alike)]
    count = round(len(found) * have / len(looked))
    some = evenly(found, WEIGHED)
    if count < have:
        notes.append(f"{count:,} of {have:,} jobs have the winner's costs, sizes and exit model")
    if len(some) < count:
        notes.append(f"{len(some):,} of {count:,} jobs were looked at, evenly spread")
    return _Rivals(some, count)


def _pnl(quotes: Quotes, some: Combinations, notes: list[str]) -> Floats | None:
    if len(quotes) < 2 * SLICES:
        notes.append(f"{len(quotes)} rows are too few to be cut into {SLICES} slices")
        return None
    return slice_pnl(quotes, some)


# ── how it was chosen ────────────────────────────────────────────────────────
def _chosen(pnl: Floats, params: Params, notes: list[str]) -> Overfitting | None:
    if params.stop_on_drawdown_pct is not None:
        notes.append("in each slice of the cross-validation the drawdown begins anew")
    found = overfitting(pnl)
    if found is None:
        notes.append("they all brought the same in every slice: there was nothing to choose")
    return found


def _deflated(
    trials: Trials, some: Ints, pnl: Floats, bets: float, notes: list[str]
) -> Deflated | None:
    names = ("sharpe_per_trade", "closed_trades")
    if not all(name in trials.columns for name in names):
        notes.append("the results hold no Sharpe ratios")
        return None
    sharpes, counts = (trials.columns[name][some] for name in names)
    found = deflated(pnl, bets, spread_of(sharpes, counts, len(pnl)))
    if found is None:
        notes.append(f"the winner's {len(pnl)} closed trades are too few or too alike for a ratio")
    return found
