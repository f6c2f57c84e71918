"""The backtest, row by row: what every other engine must agree with.

It is written to be read. `step` takes a state, a row and perhaps an action, and
gives the next state: whoever trains a policy steps through the very rules that a
session is measured by. The order within a row is close, open, balance.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import FLAT_BPS, Metrics, Totals, drawdown_pct, sharpe, stops, usd
from daemon.market.quotes import DAY_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daemon.market.params import Params
    from daemon.market.quotes import Quotes


# ── values ───────────────────────────────────────────────────────────────────
class Side(StrEnum):
    """What a trade holds."""

    A_TO_B = "LONG_A_SHORT_B"
    B_TO_A = "LONG_B_SHORT_A"

    @property
    def reverse(self) -> Side:
        """The other one."""
        return Side.B_TO_A if self is Side.A_TO_B else Side.A_TO_B


class Action(StrEnum):
    """What somebody wants who does not leave a row to the rule."""

    WAIT = "wait"
    """Open nothing."""
    ENTER = "enter"
    """Open on the better side, whatever the threshold, if there is room."""
    EXIT = "exit"
    """Close everything at the quoted prices, and open nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one row says."""

    number: int
    spread_ab: float
    spread_ba: float
    valid: bool = True

    def spread(self, side: Side) -> float:
        """Give what a side would bring here, before costs."""
        return self.spread_ab if side is Side.A_TO_B else self.spread_ba

    @property
    def better(self) -> Side:
        """The side with the larger spread; of equal ones, buying on A."""
        return Side.A_TO_B if self.spread_ab >= self.spread_ba else Side.B_TO_A


@dataclass(frozen=True, slots=True)
class Position:
    """A trade that is open."""

    row: int
    side: Side
    spread_bps: float


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade from its opening to its end."""

    entry_row: int
    exit_row: int
    side: Side
    entry_spread_bps: float
    exit_spread_bps: float
    """What closing brought before costs: 0 where the venues are taken to have converged."""
    pnl_bps: float
    pnl_usd: float


@dataclass(frozen=True, slots=True)
class State:
    """What is known after a row. A row on which nothing happens leaves it as it is."""

    open: tuple[Position, ...] = ()
    realized_usd: float = 0.0
    peak_usd: float = 0.0
    """The most that was ever realized: the balance had its peak then."""
    drawdown_pct: float = 0.0
    stopped: bool = False

    def below_peak(self, position_usd: float) -> bool:
        """Tell whether the balance is lower than it was, by more than rounding."""
        return bool(self.peak_usd - self.realized_usd > usd(FLAT_BPS, position_usd))


FRESH = State()
NONE: tuple[Trade, ...] = ()


# ── one row ──────────────────────────────────────────────────────────────────
def step(
    state: State, row: Row, params: Params, action: Action | None = None
) -> tuple[State, tuple[Trade, ...]]:
    """Go through one row; give the next state and the trades that were closed.

    Without an action the rule decides. What has converged is closed either way.

    Raises:
        ValueError: the run has been stopped, nothing comes after it.
    """
    if state.stopped:
        raise ValueError(f"row {row.number} comes after the run was stopped")
    if not row.valid:
        return state, NONE
    state, closed = _close(state, row, params, everything=action is Action.EXIT)
    opened = _opened(state, row, params, action)
    if opened is not None:
        state = replace(state, open=(*state.open, opened))
    return (_balance(state, params) if closed else state), closed


def _close(
    state: State, row: Row, params: Params, *, everything: bool
) -> tuple[State, tuple[Trade, ...]]:
    ends = [everything or row.spread(trade.side) < 0 for trade in state.open]
    if not any(ends):
        return state, NONE
    closed = tuple(_closed(trade, row, params) for trade in compress(state.open, ends))
    left = tuple(trade for trade, over in zip(state.open, ends, strict=True) if not over)
    realized = state.realized_usd
    for trade in closed:
        realized += trade.pnl_usd
    return replace(state, open=left, realized_usd=realized), closed


def _closed(trade: Position, row: Row, params: Params) -> Trade:
    converged = row.spread(trade.side) < 0
    if converged and not params.quoted:
        brought, pnl = 0.0, trade.spread_bps - params.costs_bps
    else:
        brought = row.spread(trade.side.reverse)
        pnl = trade.spread_bps + brought - 2 * params.costs_bps
    money = usd(pnl, params.max_position_usd)
    return Trade(trade.row, row.number, trade.side, trade.spread_bps, brought, pnl, money)


def _opened(state: State, row: Row, params: Params, action: Action | None) -> Position | None:
    if len(state.open) >= params.max_open_trades or action in {Action.WAIT, Action.EXIT}:
        return None
    spread = row.spread(row.better)
    wanted = action is Action.ENTER or spread - params.costs_bps >= params.min_spread_bps
    return Position(row.number, row.better, spread) if wanted else None


def _balance(state: State, params: Params) -> State:
    peak = max(state.peak_usd, state.realized_usd)
    start = params.initial_balance_usd
    drawdown = drawdown_pct(start + peak, start + state.realized_usd)
    limit = params.stop_on_drawdown_pct
    stopped = limit is not None and bool(stops(drawdown, limit))
    return replace(state, peak_usd=peak, drawdown_pct=drawdown, stopped=stopped)


# ── a whole run ──────────────────────────────────────────────────────────────
@dataclass(slots=True)
class Run:
    """What happened from the first row to the last one that was processed."""

    trades: list[Trade] = field(default_factory=list)
    """The closed ones, as they were closed."""
    state: State = FRESH
    rows: int = 0
    last: Row | None = None
    """The last valid row."""
    exposed_rows: int = 0
    max_drawdown_pct: float = 0.0
    below: list[range] = field(default_factory=list)
    """The stretches of rows after which the balance was below its peak."""

    def note(self, row: Row, state: State, closed: tuple[Trade, ...], params: Params) -> None:
        """Take down what a row did."""
        self.trades.extend(closed)
        self.state = state
        self.rows += 1
        self.last = row if row.valid else self.last
        self.exposed_rows += bool(state.open)
        self.max_drawdown_pct = max(self.max_drawdown_pct, state.drawdown_pct)
        if state.below_peak(params.max_position_usd):
            if self.below and self.below[-1].stop == row.number:
                self.below[-1] = range(self.below[-1].start, row.number + 1)
            else:
                self.below.append(range(row.number, row.number + 1))


def rows_of(quotes: Quotes, rate: float) -> Iterator[Row]:
    """Give the rows one by one."""
    spreads = quotes.spreads(rate)
    columns = (column.tolist() for column in (spreads.ab, spreads.ba, spreads.valid))
    for number, (ab, ba, valid) in enumerate(zip(*columns, strict=True)):
        yield Row(number, ab, ba, valid)


def simulate(quotes: Quotes, params: Params) -> Run:
    """Go through all rows, or until the drawdown stops the run."""
    run = Run()
    for row in rows_of(quotes, params.exchange_a_to_b_rate):
        state, closed = step(run.state, row, params)
        run.note(row, state, closed, params)
        if state.stopped:
            break
    return run


def trades(quotes: Quotes, params: Params) -> list[Trade]:
    """Give the closed trades, as they were closed."""
    return simulate(quotes, params).trades


def backtest(quotes: Quotes, params: Params) -> Metrics:
    """Give every metric of one combination, the slow and plain way."""
    run = simulate(quotes, params)
    totals = _totals(quotes, params, run)
    return Metrics.of(totals.columns(np.array([params.initial_balance_usd])))


# ── totals ───────────────────────────────────────────────────────────────────
def _totals(quotes: Quotes, params: Params, run: Run) -> Totals:
    pnl = [trade.pnl_usd for trade in run.trades]
    return Totals(
        closed=np.array([len(pnl)]),
        open=np.array([len(run.state.open)]),
        wins=np.array([sum(trade.pnl_bps > 0 for trade in run.trades)]),
        realized_usd=np.array([run.state.realized_usd]),
        unrealized_usd=np.array([_unrealized(run, params)]),
        gross_profit_usd=np.array([sum(value for value in pnl if value > 0)], np.float64),
        gross_loss_usd=np.array([-sum(value for value in pnl if value < 0)], np.float64),
        max_drawdown_pct=np.array([run.max_drawdown_pct]),
        longest_drawdown_rows=np.array([max((len(stretch) for stretch in run.below), default=0)]),
        longest_drawdown_us=np.array([_longest_us(quotes, run)]),
        pnl_sharpe=_sharpe_of([trade.pnl_bps for trade in run.trades]),
        day_sharpe=_day_sharpe(quotes, run),
        exposed_rows=np.array([run.exposed_rows]),
        held_rows=np.array([sum(trade.exit_row - trade.entry_row for trade in run.trades)]),
        held_us=np.array([_held_us(quotes, run)]),
        rows=np.array([run.rows]),
        stopped=np.array([run.state.stopped]),
    )


def _unrealized(run: Run, params: Params) -> float:
    total = 0.0
    for trade in run.state.open:
        assert run.last is not None  # noqa: S101 - only a valid row opens a trade
        reverse = run.last.spread(trade.side.reverse)
        total += usd(trade.spread_bps + reverse - 2 * params.costs_bps, params.max_position_usd)
    return total


def _longest_us(quotes: Quotes, run: Run) -> float:
    if quotes.at_us is None:
        return float("nan")
    at_us, end = quotes.at_us, run.rows - 1
    lasted = (at_us[min(part.stop, end)] - at_us[part.start] for part in run.below)
    return float(max(0, *lasted)) if run.below else 0.0


def _held_us(quotes: Quotes, run: Run) -> float:
    if quotes.at_us is None:
        return float("nan")
    at_us = quotes.at_us
    return float(sum(at_us[trade.exit_row] - at_us[trade.entry_row] for trade in run.trades))


def _day_sharpe(quotes: Quotes, run: Run) -> np.ndarray:
    if quotes.at_us is None:
        return np.array([np.nan])
    day = (quotes.at_us[: run.rows] // DAY_US).tolist()
    realized = dict.fromkeys(day, 0.0)
    for trade in run.trades:
        realized[day[trade.exit_row]] += trade.pnl_bps
    return _sharpe_of([*realized.values()])


def _sharpe_of(values: Sequence[float]) -> np.ndarray:
    found = np.array(values, np.float64)
    mean = found.mean() if len(found) else 0.0
    return sharpe(np.array([mean]), np.array([((found - mean) ** 2).sum()]), np.array([len(found)]))
