"""Studies to be judged: quotes with gaps that pay or do not, searched by lot, without a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from daemon.market.quotes import Quotes
from daemon.market.staircase import sweep
from daemon.search.studies.domain import Domain, Real, Whole
from daemon.search.studies.folds import Scheme, folds
from daemon.search.studies.objective import Aim
from daemon.search.studies.pooling import pool
from daemon.services.studying.evidence import Evidence, FoldEvidence, SymbolData
from daemon.services.studying.layout import sliced
from daemon.services.studying.measuring import drawn
from daemon.services.studying.wanted import Dataset, SamplerSpec, StudyWanted
from daemon.services.sweeping.keys import some

FIXED = {
    "taker_fee_a_bps": 1.0,
    "taker_fee_b_bps": 1.0,
    "slippage_bps": 0.0,
    "max_position_usd": 1000.0,
    "exit_model": "quoted",
}
DOMAIN = Domain((Real("min_spread_bps", 0, 30), Whole("max_open_trades", 1, 3)))


def gaps(rows, wins, seed=1):
    """Every tenth row or so a gap opens for some rows; this share of them closes well."""
    rng = np.random.default_rng(seed)
    gap, half_b = np.zeros(rows), np.ones(rows)
    for row in range(5, rows - 10, 10):
        size, stop = 12 + rng.exponential(8.0), row + 3 + int(rng.integers(3))
        gap[row:stop] = rng.choice([-1.0, 1.0]) * size
        if rng.random() > wins:
            gap[stop], half_b[stop] = gap[stop - 1], size
    middle = 30_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, rows)))
    other = middle * (1 + gap / 1e4)
    at_us = 1_700_000_000_000_000 + 60_000_000 * np.arange(rows)
    halves = np.ones(rows) / 1e4, half_b / 1e4
    return Quotes(
        middle * (1 - halves[0]),
        middle * (1 + halves[0]),
        other * (1 - halves[1]),
        other * (1 + halves[1]),
        at_us,
    )


def wanted(**changed):
    plain = {
        "name": "night",
        "domain": DOMAIN,
        "fixed": FIXED,
        "data": (Dataset(symbol="x", path=Path("x.csv")),),
        "sampler": SamplerSpec(kind="random"),
        "aim": Aim(),
        "scheme": Scheme(folds=2, test_share=0.2, purge_rows=5),
        "resamples": 200,
        "seed": 1,
    }
    return StudyWanted(**(plain | changed))


def evidence(asked, quotes, *, trials=24, weights=None, elsewhere=0, go_on=lambda: None):
    """Search every fold by lot; ``quotes`` by symbol."""
    data = tuple(
        SymbolData(symbol=name, weight=(weights or {}).get(name, 1.0), quotes=one, digest=name)
        for name, one in quotes.items()
    )
    parted = {name: folds(len(one), asked.scheme) for name, one in quotes.items()}
    count = len(next(iter(parted.values())))
    found = tuple(_fold(asked, data, parted, (number, count), trials) for number in range(count))
    return Evidence(
        study_id=1,
        name=asked.name,
        wanted=asked,
        data=data,
        folds=found,
        elsewhere=elsewhere,
        tried=sum(len(one.points) for one in found),
        go_on=go_on,
    )


def _fold(asked, data, parted, which, trials):
    number, count = which
    rng = np.random.default_rng([asked.seed, number])
    points = asked.domain.back(rng.random((trials, len(asked.domain.axes))))
    points = list({asked.domain.key(point): point for point in points}.values())
    made = some(drawn(asked, points).combinations, slice(None))
    spans = {one.symbol: parted[one.symbol][number] for one in data}
    sides = {
        one.symbol: [
            sweep(sliced(one.quotes, rows), made).columns if len(rows) else None
            for rows in (spans[one.symbol].train, spans[one.symbol].test)
        ]
        for one in data
    }
    weights = [one.weight for one in data]
    inside = pool([sides[one.symbol][0] for one in data], weights)
    tested = all(side[1] is not None for side in sides.values())
    outside = pool([sides[one.symbol][1] for one in data], weights) if tested else None
    values, violation = asked.aim.values(inside), asked.aim.violation(inside)
    return FoldEvidence(
        number=number + 1,
        train={name: fold.train for name, fold in spans.items()},
        test={name: fold.test for name, fold in spans.items()},
        numbers=np.arange(len(points)) * count + number + 1,
        points=points,
        params=made,
        values=values,
        violation=violation,
        train_columns=inside,
        test_columns=outside,
        by_symbol={name: tuple(side) for name, side in sides.items()},
        chosen=asked.aim.order(values, violation).best,
        tried=len(points),
        ended="budget",
    )
