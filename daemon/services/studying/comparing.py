"""The quotes that a study saw beside those since: have they drifted, does the winner still pay?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.quotes import Quotes
from daemon.search.studies import drift, earnings
from daemon.search.studies.extent import Became, Extent
from daemon.search.studies.triggers import (
    DECAY,
    DRIFT,
    REPLACED,
    Rules,
    Trigger,
    span,
    untold,
    watched,
)
from daemon.search.studies.watching import SHORTFALL, Channel
from daemon.services.studying.layout import sliced
from daemon.services.studying.measuring import drawn
from daemon.store import studies, trials
from daemon.store.studies import TEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.market.params import Combinations
    from daemon.ports import QuoteBank
    from daemon.search.studies.drift import Days
    from daemon.search.studies.earnings import Earned
    from daemon.search.studies.watching import Reading
    from daemon.services.studying.wanted import Dataset, StudyWanted
    from daemon.store.store import Tx
    from daemon.store.studies import PartRow, Study

    Ints = drift.Ints

FEWEST_PROMISED = 2
"""From fewer days out of sample nobody can say what was promised."""


# ── what the study found ─────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The choices of a study, and the rows that vouch for each."""

    winner: Mapping[str, Any] | None
    """The point of the winner; None where none was declared."""
    chosen: Mapping[int, Mapping[str, Any]]
    """Of each fold, the point that was chosen."""
    tests: Sequence[PartRow]
    """The rows of each fold that nothing was chosen on."""


def promised(view: Tx, study: Study) -> Promise:
    """Read what a study found."""

    def point(n: int | None) -> Mapping[str, Any] | None:
        row = None if n is None else trials.get(view, study.id, n)
        return None if row is None else row.params

    found = {fold.fold: point(fold.chosen_n) for fold in studies.folds(view, study.id)}
    return Promise(
        winner=point(study.winner_n) if study.declared else None,
        chosen={fold: mine for fold, mine in found.items() if mine is not None},
        tests=[part for part in studies.parts(view, study.id) if part.part == TEST],
    )


# ── which rows ───────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Side:
    """The quotes of a symbol: those that the study saw, and behind them the newer ones."""

    symbol: str
    weight: float
    quotes: Quotes
    start: int
    """The place of the first newer row."""
    whole: bool
    """All rows that the study saw are there, and count from 0 as they did then."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Compared:
    """All symbols of a study, or why they cannot be compared."""

    sides: tuple[Side, ...] = ()
    why: str = ""
    replaced: tuple[str, ...] = ()
    """Files that hold something else than the study saw."""


def compared(bank: QuoteBank, wanted: StudyWanted, study: Study) -> Compared:
    """Load the quotes as they are now, and find in them what the study saw.

    Raises:
        InputError: a file is not there, or cannot be read.
    """
    told = {one["symbol"]: one for one in study.spec.get("data") or ()}
    sides: list[Side] = []
    replaced, why = [], ""
    for one in wanted.data:
        now = bank.load(one.path, skip_bad_rows=wanted.skip_bad_rows).quotes
        mine = told.get(one.symbol)
        found = None if mine is None else _side(bank, one, now, mine)
        if found is None:
            replaced.append(str(one.path))
        elif isinstance(found, str):
            why = why or f"{one.path}: {found}"
        else:
            sides.append(found)
    return Compared(sides=tuple(sides), why=why, replaced=tuple(replaced))


def _side(bank: QuoteBank, one: Dataset, now: Quotes, told: Mapping[str, Any]) -> Side | str | None:
    """Find what a study saw of a symbol; or say why it is not found, None if it was replaced."""
    if not told.get("extent"):
        return "it is not on record which rows the study saw"
    newer = Extent.of_document(told["extent"]).newer(now)
    if newer.became is Became.REPLACED:
        return None
    start, whole = newer.start, True
    if newer.became in {Became.ROLLED, Became.RESUMED}:
        kept = bank.by_digest(told["digest"])
        whole = kept is not None
        if kept is not None:
            now, start = _joined(kept, now, start), len(kept)
    if not start:
        return "what the study saw is neither there nor kept in the cache"
    if now.at_us is None:
        return "its timestamps are no moments, so nobody knows how long a day is"
    if (np.diff(now.at_us) < 0).any():
        return "its rows are not in order of time"
    return Side(symbol=one.symbol, weight=one.weight, quotes=now, start=start, whole=whole)


def _joined(kept: Quotes, now: Quotes, start: int) -> Quotes:
    """Put newer rows behind those that were kept."""
    bid_a, ask_a, bid_b, ask_b = (
        np.concatenate([before, after[start:]])
        for before, after in zip(kept.prices, now.prices, strict=True)
    )
    at_us = None
    if kept.at_us is not None and now.at_us is not None:
        at_us = np.concatenate([kept.at_us, now.at_us[start:]])
    return Quotes(bid_a, ask_a, bid_b, ask_b, at_us)


def replacement(found: Compared) -> Trigger:
    """Say that a study has never seen what its files hold now."""
    files = ", ".join(found.replaced)
    said = f"{files} does not hold the rows any more that the study saw, but others"
    return Trigger(REPLACED, fired=True, said=said, evidence={"files": list(found.replaced)})


# ── days ─────────────────────────────────────────────────────────────────────
class Comparison:
    """The days that a study saw beside those since, for every symbol alike."""

    def __init__(self, wanted: StudyWanted, sides: Sequence[Side], rules: Rules) -> None:
        self.wanted, self.sides, self.rules = wanted, sides, rules
        rate = wanted.fixed.get("exchange_a_to_b_rate")
        self.rate = 1.0 if rate is None else float(rate)
        last_us = max(int(self._at_us(side)[side.start - 1]) for side in sides)
        each = [
            drift.days_of(self._at_us(side), last_us, side.quotes.spreads(self.rate).valid)
            for side in sides
        ]
        shared = each[0].numbers
        for days in each[1:]:
            shared = np.intersect1d(shared, days.numbers)
        self.days = [replace(days, numbers=shared) for days in each]

    @staticmethod
    def _at_us(side: Side) -> Ints:
        assert side.quotes.at_us is not None  # noqa: S101 - looked at by `_side`
        return side.quotes.at_us

    def drift(self, rng: np.random.Generator) -> Trigger:
        """Say whether spreads or volatility are unlike those that the study saw."""
        many = len(self.sides) > 1
        channels = [
            channel
            for side, days in zip(self.sides, self.days, strict=True)
            for channel in drift.channels(
                side.quotes, days, self.rate, f"{side.symbol} " if many else ""
            )
        ]
        return watched(DRIFT, channels, drift.PSI, self.rules, rng, self._drifted)

    def _drifted(self, worst: Reading) -> str:
        return (
            f"the {worst.channel} of {span(worst.days)} has a stability index of"
            f" {worst.value:.3f} against what the study saw; above {worst.bound:.3f} is unusual"
        )

    # ── decay ────────────────────────────────────────────────────────────────
    def decay(self, promise: Promise, rng: np.random.Generator) -> Trigger:
        """Say whether the winner earns less than the folds promised."""
        if promise.winner is None:
            return untold(DECAY, "the study declared no winner, so there is none to decay")
        if not all(side.whole for side in self.sides):
            return untold(DECAY, "the first rows of the study are neither there nor kept")
        winner = self._trial(promise.winner)
        tested = self._tested(promise)
        if winner is None or tested is None:
            return untold(DECAY, "the study left no rows out of sample that would promise anything")
        before, since = (self._winner(winner, newer=newer) for newer in (False, True))
        days = self.days[0].numbers
        places = earnings.covered(tested, np.where(days < 0, self._rows(), 0))
        if len(places) < FEWEST_PROMISED:
            why = f"too few whole days out of sample to promise anything: {len(places)}"
            return untold(DECAY, why, promised_days=len(places))
        channel = Channel(
            "pnl",
            before.usd[days < 0, None],
            since.usd[days >= 0, None],
            tested.usd[places, None],
        )
        promise_usd = float(channel.told.mean())

        def say(worst: Reading) -> str:
            return (
                f"the winner earned {promise_usd - worst.value:.2f} USD a day over"
                f" {span(worst.days)}; the folds promised {promise_usd:.2f}, and below"
                f" {promise_usd - worst.bound:.2f} is unusual"
            )

        found = watched(DECAY, [channel], SHORTFALL, self.rules, rng, say)
        more = {"promised_usd_per_day": promise_usd, "promised_days": len(places)}
        return replace(found, evidence={**found.evidence, **more})

    def _trial(self, point: Mapping[str, Any]) -> Combinations | None:
        made = drawn(self.wanted, [point])
        return made.combinations if len(made.places) else None

    def _winner(self, winner: Combinations, *, newer: bool) -> Earned:
        """Run the winner over the rows that the study saw, or over those since."""
        total = earnings.nothing(self.days[0])
        for side, days in zip(self.sides, self.days, strict=True):
            rows = range(side.start, len(side.quotes)) if newer else range(side.start)
            if len(rows):
                total = total.plus(self._earned(side, days, winner, rows))
        return total

    def _earned(self, side: Side, days: Days, trial: Combinations, rows: range) -> Earned:
        of_row = days.of_row[rows.start : rows.stop]
        found = earnings.earned(sliced(side.quotes, rows), trial, of_row, days)
        return found.times(side.weight)

    def _rows(self) -> Ints:
        """Count the rows of each day that the study saw."""
        total = earnings.nothing(self.days[0]).rows
        for side, days in zip(self.sides, self.days, strict=True):
            places = days.places()[: side.start]
            total = total + np.bincount(places[places >= 0], minlength=len(total))
        return total

    def _tested(self, promise: Promise) -> Earned | None:
        """Add up what each fold's choice earned on the rows that vouch for it."""
        sides = {side.symbol: place for place, side in enumerate(self.sides)}
        total = None
        for part in promise.tests:
            point, place = promise.chosen.get(part.fold), sides.get(part.symbol)
            trial = None if point is None else self._trial(point)
            if trial is None or place is None:
                continue
            rows = range(part.first_row, part.last_row + 1)
            found = self._earned(self.sides[place], self.days[place], trial, rows)
            total = found if total is None else total.plus(found)
        return total
