"""What tests of retraining share: quotes that go on for weeks, and signals on record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert

from daemon.clock import MICROS
from daemon.market.quotes import DAY_US, Quotes
from daemon.search.studies.triggers import Rules
from daemon.services.studying import retraining
from daemon.services.studying.wanted import Budget
from daemon.store import samples
from daemon.store.hours import HOUR_US
from daemon.store.tables import sample_rollups
from tests import studying_kit
from tests.contract.rows import T0
from tests.sweeping_kit import DATA, Bank, Clock

if TYPE_CHECKING:
    from daemon.services.studying.retraining import Due
    from daemon.services.studying.wanted import StudyTools, StudyWanted
    from daemon.store.store import Store

PER_DAY = 96
SEEN = 24
"""Days that the first study sees."""

OTHER = "other.csv"


def market(
    days: int = 60, seed: int = 1, since: int = SEEN, *, wider: float = 1.0, stuck: bool = False
) -> Quotes:
    """Make quotes whose gap comes and goes; from some day on it is wider, or comes and stays."""
    draw, rows = np.random.default_rng(seed), days * PER_DAY
    later = np.arange(rows) >= since * PER_DAY
    middle = 100 * np.exp(np.cumsum(draw.normal(0, 3e-4, rows)))
    gap = draw.normal(0, 15, rows) * np.where(later, wider, 1.0)
    if stuck:  # the same gaps in another order: each stays where it is for two days
        gap[later] = np.sort(gap[later])
    other = middle * (1 + gap / 1e4)
    prices = [one * (1 + side * 1e-4) for one in (middle, other) for side in (-1, 1)]
    return Quotes(*prices, at_us=T0 + np.arange(rows) * (DAY_US // PER_DAY))


def part(quotes: Quotes, first: float, last: float) -> Quotes:
    """Take some days, named by which rows they are."""
    rows = slice(round(first * PER_DAY), round(last * PER_DAY))
    at_us = None if quotes.at_us is None else quotes.at_us[rows]
    name = f"{id(quotes)}{rows.start:08d}{rows.stop:08d}".rjust(64, "0")
    return Quotes(*(column[rows] for column in quotes.prices), at_us=at_us, digest=name)


@dataclass
class Watch:
    """A study that is asked about day after day."""

    store: Store
    quotes: Quotes = field(default_factory=market)
    clock: Clock = field(default_factory=Clock)
    rules: Rules | None = field(default_factory=Rules)
    bank: Bank = field(default_factory=Bank)
    wanted: StudyWanted = field(init=False)

    def __post_init__(self) -> None:
        self.wanted = studying_kit.wanted(
            budget=Budget(trials=8), retrain=self.rules, data=studying_kit.wanted().data
        )
        self.show(0, SEEN)

    @property
    def tools(self) -> StudyTools:
        return studying_kit.tools(self.store, bank=self.bank, clock=self.clock)

    def show(self, first: float, last: float, *, kept: bool = True) -> None:
        """Let the file hold these days, and the cache what the first study saw."""
        self.bank.files = {DATA: part(self.quotes, first, last)}
        if kept:
            self.bank.files[OTHER] = part(self.quotes, 0, SEEN)

    def run(self, judge=studying_kit.lenient) -> int:
        """Run the study to its end."""
        return studying_kit.run(self.tools, self.wanted, judged_by=judge).study_id

    def later(self, days: float) -> None:
        """Let time pass."""
        self.clock.passed_us += round(days * DAY_US)

    def due(self, **changed) -> Due:
        """Ask."""
        return retraining.due(self.tools, replace(self.wanted, **changed))

    def after(self, days: float, **changed) -> Due:
        """Ask when so many days have passed since the first study, and are in the file."""
        self.clock.passed_us = round(days * DAY_US)
        self.show(0, SEEN + days)
        return self.due(**changed)


def kinds(due: Due) -> dict[str, bool]:
    """Say which reasons were looked at, and which of them fired."""
    return {one.kind: one.fired for one in due.triggers}


def said(due: Due, kind: str) -> str:
    """Say what one reason said."""
    return next(one.said for one in due.triggers if one.kind == kind)


def hear(store: Store, name: str, daily: np.ndarray, last_us: int) -> None:
    """Record a signal: its mean on each day, the last of which ends at a moment."""
    origin = last_us - len(daily) * DAY_US
    with store.write() as tx:
        signal = samples.declare(tx, [name], T0)[name]
        rows = [
            {
                "signal_id": signal.id,
                "res_s": 60,
                "bucket_us": (origin + hour * HOUR_US) // (60 * MICROS) * 60 * MICROS + 60 * MICROS,
                "n": 5,
                "mean": float(daily[hour // 24]),
                "m2": 0.0,
                "lo": float(daily[hour // 24]),
                "hi": float(daily[hour // 24]),
            }
            for hour in range(24 * len(daily))
        ]
        tx.execute(insert(sample_rollups), rows)
