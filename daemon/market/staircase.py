"""Many combinations over the same quotes at once, on NumPy alone.

What a combination trades depends on little: the rate between the venues, the
smallest spread that opens a trade (min_spread and costs together) and how many
may be open. Combinations are grouped by that. For convergence exits the rest is
sums over a group's trades; for quoted exits it is the path of a list of trades.
Both agree with `simulator`, row by row, in every count, and in money up to the
rounding of sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.entries import deep_entries, entries
from daemon.market.lists import TRADES, by_closes, sharpes_by_lists
from daemon.market.margins import margins
from daemon.market.metrics import Metrics, Totals, costs_of, usd
from daemon.market.paths import Trades
from daemon.market.runs import runs_of
from daemon.market.stops import Asked
from daemon.market.sums import even_of, exposed_by, gained_by, open_of, sums_of
from daemon.market.thresholds import entry_threshold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.market.entries import Entries
    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

LEVELS = 16
"""Up to so many open trades are found level by level, and more of them threshold by threshold."""


KEPT = 31 << 20
"""Bytes: a little less than the most that the C library is ready to learn."""


@dataclass(frozen=True, eq=False, slots=True)
class Swept:
    """What combinations brought, a column a metric; `metrics.NAMES` are its keys."""

    columns: Columns
    lists: int
    """How many distinct lists of trades there were: what the sweep cost grows with them."""

    def __len__(self) -> int:
        return len(self.columns["total_trades"])

    def __getitem__(self, place: int) -> Metrics:
        return Metrics.of(self.columns, place)


def sweep(quotes: Quotes, combinations: Combinations) -> Swept:
    """Backtest every combination."""
    totals = Totals.empty(len(combinations))
    with np.errstate(over="ignore", invalid="ignore"):  # no number comes of it, and none is ranked
        lists = sum(group.fill(totals) for group in _groups(quotes, combinations))
        return Swept(totals.columns(combinations.initial_balance_usd), lists)


def realized_usd(quotes: Quotes, combinations: Combinations) -> Floats:
    """Backtest every combination for its realized pnl alone, which takes half as long."""
    totals = Totals.empty(len(combinations))
    with np.errstate(over="ignore", invalid="ignore"):
        for group in _groups(quotes, combinations):
            group.realize(totals)
    return totals.realized_usd


def _groups(quotes: Quotes, combinations: Combinations) -> Iterator[_Group]:
    """Part combinations by their rates."""
    _keep_memory()
    rates, group = np.unique(combinations.exchange_a_to_b_rate, return_inverse=True)
    for number, rate in enumerate(rates.tolist()):
        here = np.flatnonzero(group == number) if len(rates) > 1 else np.arange(len(group))
        yield _Group(quotes, rate, combinations, here)


def _keep_memory() -> None:
    """Have memory that one array gives back kept for the next: to ask for it anew takes long.

    The C library learns how much to keep from the largest array that was ever given
    back. This one is never written to, so it costs nothing.
    """
    np.empty(KEPT, np.uint8)


class _Group:
    """The combinations of one rate."""

    def __init__(self, quotes: Quotes, rate: float, asked: Combinations, here: Ints) -> None:
        self.quotes, self.here = quotes, here
        self.runs = runs_of(quotes, rate)
        self.costs = asked.costs_bps[here]
        self.quoted = asked.quoted[here]
        self.position = asked.max_position_usd[here]
        self.balance = asked.initial_balance_usd[here]
        self.limit = asked.stop_on_drawdown_pct[here]
        found = entry_threshold(asked.min_spread_bps[here], self.costs)
        self.thresholds, self.place = np.unique(found, return_inverse=True)
        longest = int(np.bincount(self.runs.run).max(initial=1))
        self.trades = np.minimum(asked.max_open_trades[here], longest)
        self.no_time = 0.0 if quotes.at_us is not None else np.nan

    def fill(self, totals: Totals) -> int:
        """Fill in the totals of the combinations; say how many lists of trades they have."""
        totals.put(self.here, rows=len(self.quotes))
        for trades, first, opens in self._levels():
            if trades == 1:
                closed, left = opens.split(self.runs.open_from)
                self.exposed = exposed_by(self.runs, closed)
                self.exposed_open = exposed_by(self.runs, left)
            self._fill(totals, opens, trades, first)
        return len(np.unique(self.place * (self.trades.max(initial=0) + 1) + self.trades))

    def realize(self, totals: Totals) -> None:
        """Fill in what they realized, and leave out what does not bear on it."""
        for trades, first, opens in self._levels():
            closed, _ = opens.split(self.runs.open_from)
            for alike in self._alike(opens, trades, first):
                self._realized(totals, alike, closed, first)

    def _levels(self) -> Iterator[tuple[int, int, Entries]]:
        """Give who opens trades, for each number of open trades that somebody allows."""
        wanted = np.unique(self.trades).tolist()
        shallow = [1, *(trades for trades in wanted if 1 < trades <= LEVELS)]
        for trades, opens in entries(self.runs, self.thresholds, shallow):
            yield trades, 0, opens
        for trades in (trades for trades in wanted if trades > LEVELS):
            for first, _, opens in deep_entries(self.runs, self.thresholds, trades, TRADES):
                yield trades, first, opens

    def _fill(self, totals: Totals, opens: Entries, trades: int, first: int) -> None:
        """Fill in the combinations that open so many trades, at thresholds from ``first`` on."""
        closed, left = opens.split(self.runs.open_from)
        for alike in self._alike(opens, trades, first):
            self._closed(totals, alike, closed, first)
            self._still_open(totals, alike, left, first)

    def _alike(self, opens: Entries, trades: int, first: int) -> Iterator[Ints]:
        """Give those who open so many trades at some thresholds, one exit model after the other."""
        some = (self.trades == trades) & (self.place >= first)
        some &= self.place < first + opens.thresholds
        for quoted in (False, True):
            alike = np.flatnonzero(some & (self.quoted == quoted))
            if len(alike):
                yield alike

    def _closed(self, totals: Totals, some: Ints, closed: Entries, first: int) -> None:
        """Say what combinations of one exit model brought: by sums, by lists where they fail."""
        quoted = bool(self.quoted[some[0]])
        trades = Trades.of(self.quotes, self.runs, closed, quoted=quoted)
        place, costs = self.place[some] - first, self._costs(some)
        sums = sums_of(trades)
        found = sums.details(place, costs)
        found["exposed_rows"] = self.exposed[self.place[some]]
        found["longest_drawdown_us"] = np.full(len(some), self.no_time)
        if quoted:
            found |= margins(trades, place, costs).named()
            found |= {"closed": sums.count[place], "total": found["gain"] - found["loss"]}
        else:
            found |= sums.gained(place, costs)
            thresholds = self.thresholds[first : first + closed.thresholds]
            even = np.where(thresholds[place] == costs, even_of(trades, thresholds)[place], 0)
            found["wins"] = found["closed"] - even
        blurred = np.flatnonzero(sums.blurred(place, costs))
        if len(blurred):
            sharpes = sharpes_by_lists(trades, place[blurred], costs[blurred])
            for name, column in sharpes.named().items():
                found[name][blurred] = column
        self._put(totals, some, found)
        if quoted:
            lose = np.flatnonzero(found["loss"])
            self._falling(totals, some[lose], trades, first)

    def _realized(self, totals: Totals, some: Ints, closed: Entries, first: int) -> None:
        quoted = bool(self.quoted[some[0]])
        trades = Trades.of(self.quotes, self.runs, closed, quoted=quoted)
        place, costs = self.place[some] - first, self._costs(some)
        if not quoted:
            self._put(totals, some, gained_by(trades, place, costs))
            return
        found = margins(trades, place, costs)
        self._put(totals, some, {"total": found.gain - found.loss})
        may_stop = np.isfinite(self.limit[some]) & (found.loss > 0)
        self._falling(totals, some[may_stop], trades, first)

    def _costs(self, some: Ints) -> Floats:
        return costs_of(self.costs[some], quoted=self.quoted[some])

    def _falling(self, totals: Totals, some: Ints, trades: Trades, first: int) -> None:
        """Follow the balance of combinations that lose something."""
        if not len(some):
            return
        asked = Asked(
            self.place[some] - first,
            self._costs(some),
            self.position[some],
            self.balance[some],
            self.limit[some],
        )
        answer = by_closes(trades, asked)
        self._put(totals, some, answer.ended.named())
        stopped = answer.ended.stopped
        until = answer.outcome[stopped].named() | answer.sharpes[stopped].named()
        self._put(totals, some[stopped], until)

    def _put(self, totals: Totals, some: Ints, found: dict[str, NDArray[Any]]) -> None:
        """Fill in what was found in bps of a position, and what is no money at all."""
        position = self.position[some]
        money = {"total": "realized_usd", "gain": "gross_profit_usd", "loss": "gross_loss_usd"}
        totals.put(
            self.here[some],
            **{name: usd(found[key], position) for key, name in money.items() if key in found},
            **{name: column for name, column in found.items() if hasattr(totals, name)},
        )

    def _still_open(self, totals: Totals, some: Ints, left: Entries, first: int) -> None:
        """Add the trades that were open at the end; a stop leaves none, it comes with a close."""
        here = self.here[some]
        on = some[~totals.stopped[here]]
        place = self.place[on] - first
        open_trades = open_of(self.runs, left)
        unrealized = usd(open_trades.unrealized_bps(place, self.costs[on]), self.position[on])
        totals.put(self.here[on], open=open_trades.count[place], unrealized_usd=unrealized)
        totals.exposed_rows[self.here[on]] += self.exposed_open[self.place[on]]
