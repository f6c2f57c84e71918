"""What the quotes of a session make one doubt: spreads that cannot be, thresholds never reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.market.runs import runs_of
from daemon.search.doubts import COSTS, numbers
from daemon.search.notes import Note, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.market.quotes import Quotes
    from daemon.search.plan import Planned

ABSURD_BPS = 1_000.0
"""Two venues that quote one thing in one currency are not 10 % apart on half of all rows."""

ROWS_FEW = 100
RATES_LOOKED_AT = 5
SOUND_SHARE = 0.5
ALIKE_SHARE = 0.99


def suspicions(planned: Planned, quotes: Quotes) -> Iterator[Note]:
    """Go through everything that can be doubted with quotes at hand."""
    rates = numbers(planned, "exchange_a_to_b_rate") or [1.0]
    valid = quotes.spreads(rates[0]).valid
    sound = int(np.count_nonzero(valid))
    if not sound:
        yield _none_valid(quotes)
        return
    yield from _rows(quotes, sound)
    absurd = [note for rate in rates[:RATES_LOOKED_AT] for note in _rate(quotes, rate)]
    yield from absurd
    if not absurd:
        yield from _thresholds(planned, quotes, rates[:RATES_LOOKED_AT])
        yield from _open_trades(planned, quotes, rates[0])


# ── rows ─────────────────────────────────────────────────────────────────────
def _none_valid(quotes: Quotes) -> Note:
    text = f"none of {plural(len(quotes), 'row')} is valid: nothing can be traded"
    crossed = (quotes.best_bid_a > quotes.best_ask_a) | (quotes.best_bid_b > quotes.best_ask_b)
    swapped = len(quotes) and crossed.mean() > SOUND_SHARE
    hint = "are bid and ask swapped?" if swapped else "every price must be above 0, bid below ask"
    return Note("no-valid-row", text, hint)


def _rows(quotes: Quotes, sound: int) -> Iterator[Note]:
    share = sound / len(quotes)
    if share < SOUND_SHARE:
        text = f"only {share:.0%} of {plural(len(quotes), 'row')} are valid"
        yield Note("invalid-rows", text, "look at the data before its results")
    elif sound < ROWS_FEW:
        text = f"there are only {plural(sound, 'valid row')}: whatever wins is luck"
        yield Note("few-rows", text, "use more data")
    alike = (quotes.best_bid_a == quotes.best_bid_b) & (quotes.best_ask_a == quotes.best_ask_b)
    if alike.mean() > ALIKE_SHARE:
        yield Note("same-quotes", "both venues quote the same: one of them, twice?", "look at it")
    if quotes.at_us is None:
        text = "the timestamps are no moments: nothing can be said by day or by second"
        yield Note("no-times", text, "write them as ISO 8601, or since 1970", "info")
    elif (back := int(np.count_nonzero(quotes.at_us[1:] < quotes.at_us[:-1]))) > 0:
        text = f"time goes back {plural(back, 'time')}: rows are traded in the order of the file"
        yield Note("time-order", text, "sort the file by its timestamp")


# ── the rate between the currencies ──────────────────────────────────────────
def _rate(quotes: Quotes, rate: float) -> Iterator[Note]:
    spreads = quotes.spreads(rate)
    typical = float(np.median(np.abs(spreads.ab[spreads.valid])))
    if typical <= ABSURD_BPS:
        return
    fits = fitting_rate(quotes)
    text = f"with an exchange_a_to_b_rate of {rate:g} the venues are {typical:,.0f} bps apart"
    text += " on half of all rows"
    hint = f"write `exchange_a_to_b_rate: {fits}`, at which the middle prices agree"
    yield Note("rate-absurd", text, hint, parameter="exchange_a_to_b_rate")


def fitting_rate(quotes: Quotes) -> str:
    """Say by what B's prices must be multiplied to be like A's."""
    valid = quotes.spreads().valid
    bid_a, ask_a, bid_b, ask_b = (column[valid] for column in quotes.prices)
    fits = float(np.median((bid_a + ask_a) / (bid_b + ask_b)))
    return f"{fits:.6g}"


# ── what can be reached ──────────────────────────────────────────────────────
def _thresholds(planned: Planned, quotes: Quotes, rates: list[float]) -> Iterator[Note]:
    wanted = sorted(numbers(planned, "min_spread_bps"))
    costs = [numbers(planned, name) for name in COSTS]
    if not wanted or not all(costs):
        return
    least = sum(min(found) for found in costs)
    best = max(_best(quotes, rate) for rate in rates)
    beyond = [value for value in wanted if value + least > best]
    if not beyond:
        return
    text = f"the widest spread of the data is {best:.2f} bps, {best - least:.2f} beyond the costs:"
    hint = "a smaller min_spread_bps, or other data"
    if len(beyond) == len(wanted):
        text += f" with a min_spread_bps of {wanted[0]:g} and more nothing is ever traded"
        yield Note("never-trades", text, hint, parameter="min_spread_bps")
    else:
        one = f"{len(beyond)} of {len(wanted)} values of min_spread_bps never trade"
        text += f" {one} ({listed(f'{value:g}' for value in beyond)})"
        yield Note("values-never-trade", text, hint, "info", "min_spread_bps")


def _best(quotes: Quotes, rate: float) -> float:
    spreads = quotes.spreads(rate)
    best = np.maximum(spreads.ab, spreads.ba)[spreads.valid]
    return float(best.max(initial=0.0))


def _open_trades(planned: Planned, quotes: Quotes, rate: float) -> Iterator[Note]:
    name = "max_open_trades"
    found = numbers(planned, name)
    longest = int(np.bincount(runs_of(quotes, rate).run).max(initial=1))
    beyond = [int(value) for value in found if value >= longest]
    if len(beyond) > 1:
        text = f"at most {plural(longest, 'trade')} can be open at once on these data:"
        text += f" {listed(beyond)} give the same results"
        yield Note("open-trades-dead", text, f"{longest} and less", parameter=name)
