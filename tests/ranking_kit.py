"""Jobs to be ranked: columns as an engine gives them, and the order written out plainly."""

from __future__ import annotations

import math

import numpy as np

REST = {
    "closed_trades": 4,
    "open_trades": 0,
    "final_balance_usd": 10_000.0,
    "win_rate": 0.5,
    "avg_pnl_per_trade_usd": 1.0,
}


def columns(pnl, drawdown=None, trades=None, **others):
    """Columns of the metrics that a ranking reads."""
    count = len(pnl)
    given = {
        "realized_pnl_usd": np.array(pnl, np.float64),
        "max_drawdown_pct": np.array([0.0] * count if drawdown is None else drawdown, np.float64),
        "total_trades": np.array([10] * count if trades is None else trades),
    }
    rest = {name: np.full(count, value) for name, value in REST.items()}
    return given | rest | {name: np.array(column) for name, column in others.items()}


def picked(table, places):
    """Columns with their elements in another order, or some of them."""
    return {name: column[places] for name, column in table.items()}


def alike(leader, other):
    """Tell whether a figure counts as equal to the smaller one that leads."""
    return other <= leader + 1e-9 * max(abs(leader), 1.0)


def plainly(jobs):
    """Rank ``(pnl, drawdown, number)`` as the rule says it; give numbers, ranks and ties."""
    numbers, ranks, tied = [], [], []
    for same_pnl in _followers(jobs, lambda job: -job[0]):
        for equal in _followers(same_pnl, lambda job: job[1]):
            rank = len(numbers) + 1
            for job in sorted(equal, key=lambda job: job[2]):
                numbers.append(job[2])
                ranks.append(rank)
                tied.append(len(equal) > 1)
    return numbers, ranks, tied


def _followers(jobs, figure):
    """The best leads those that are as good; then the best of those that are left."""
    left = list(jobs)
    while left:
        leader = min(figure(job) for job in left)
        equal = [job for job in left if alike(leader, figure(job))]
        left = [job for job in left if not alike(leader, figure(job))]
        yield equal


def nearly(value, steps):
    """A figure some steps of rounding away from another."""
    for _ in range(abs(steps)):
        value = math.nextafter(value, math.inf if steps > 0 else -math.inf)
    return value
