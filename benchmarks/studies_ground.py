"""What samplers are measured on, and who proposes: ours as a study does, Optuna as is usual."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from sweep_market import a_market

from daemon.adapters.samplers import make
from daemon.market.params import Combinations, Params
from daemon.market.staircase import sweep
from daemon.ports import Told
from daemon.search.studies.domain import Domain, Point, Real, Value, Whole
from daemon.search.studies.novelty import Novelty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.market.quotes import Quotes

BATCH = 16
"""Points that a study proposes at once, unless its file says otherwise."""

FIXED: dict[str, Value] = {
    "taker_fee_a_bps": 2.0,
    "taker_fee_b_bps": 2.0,
    "slippage_bps": 1.0,
    "max_position_usd": 1_000.0,
    "exit_model": "quoted",
}


# ── what is searched ─────────────────────────────────────────────────────────
@dataclass
class Backtests:
    """The arbitrage backtest on quotes of two venues: what comes of a threshold and a stop."""

    rows: int
    name: str = "backtest"
    domain: Domain = field(
        default_factory=lambda: Domain(
            (
                Real("min_spread_bps", 1, 60),
                Whole("max_open_trades", 1, 6),
                Real("stop_on_drawdown_pct", 0.05, 10, log=True),
            )
        )
    )
    _known: dict[str, float] = field(default_factory=dict)

    @cached_property
    def quotes(self) -> Quotes:
        """The quotes."""
        return a_market(self.rows)

    def values(self, points: Sequence[Point]) -> list[float]:
        """Backtest points; each of them once."""
        keys = [self.domain.key(point) for point in points]
        new = {
            key: point for key, point in zip(keys, points, strict=True) if key not in self._known
        }
        if new:
            params: list[dict[str, Any]] = [self.domain.params(one, FIXED) for one in new.values()]
            asked = Combinations.of([Params(**one) for one in params])
            found = sweep(self.quotes, asked).columns["realized_pnl_usd"].tolist()
            self._known.update(zip(new, found, strict=True))
        return [self._known[key] for key in keys]

    @cached_property
    def top(self) -> float:
        """The best of a fine grid: nobody has found better."""
        shares = [(np.arange(size) + 0.5) / size for size in (2_000, 6, 20)]
        points = self.domain.back(np.stack(np.meshgrid(*shares), axis=-1).reshape(-1, 3))
        return max(self.values(points))


@dataclass
class Hills:
    """Four smooth hills in four dimensions (Hartmann's), the highest of which is 3.73."""

    name: str = "smooth"
    domain: Domain = field(
        default_factory=lambda: Domain(tuple(Real(name, 0, 1) for name in "abcd"))
    )
    top: float = 3.7298

    def values(self, points: Sequence[Point]) -> list[float]:
        """Say how high each point lies."""
        here = self.domain.unit(points)
        away = np.einsum("hd,nhd->nh", STEEP, (here[:, None] - PLACES) ** 2)
        heights: list[float] = (np.exp(-away) @ HEIGHTS).tolist()
        return heights


HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
STEEP = np.array([[10, 3, 17, 3.5], [0.05, 10, 17, 0.1], [3, 3.5, 1.7, 10], [17, 8, 0.05, 10]])
PLACES = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124],
        [0.2329, 0.4135, 0.8307, 0.3736],
        [0.2348, 0.1451, 0.3522, 0.2883],
        [0.4047, 0.8828, 0.8732, 0.5743],
    ]
)

Ground = Backtests | Hills


# ── who searches ─────────────────────────────────────────────────────────────
def ours(kind: str, ground: Ground, seed: int, trials: int, batch: int = BATCH) -> list[float]:
    """Search as a study does: in batches, and no point twice."""
    sampler = make(kind, ground.domain, ["maximize"], seed, {})
    novelty = Novelty(ground.domain, seed)
    found: list[float] = []
    number = 0
    while len(found) < trials:
        count = min(batch, trials - len(found))
        points = novelty.fresh(sampler.ask(count, number), number, count)
        if not points:
            break
        values = ground.values(points)
        sampler.tell(
            [
                Told(point=point, values=(value,), batch=number)
                for point, value in zip(points, values, strict=True)
            ]
        )
        found += values
        number += 1
    return found


def usual(ground: Ground, seed: int, trials: int) -> tuple[list[float], set[str]]:
    """Search with Optuna's TPE as it is usually run: defined by running, one point at a time."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    keys = set()

    def objective(trial: optuna.Trial) -> float:
        point = suggested(trial, ground.domain)
        keys.add(ground.domain.key(point))
        return ground.values([point])[0]

    study.optimize(objective, n_trials=trials)
    return [trial.value for trial in study.trials if trial.value is not None], keys


def suggested(trial: optuna.Trial, domain: Domain) -> Point:
    """Let a trial suggest every parameter, as its documentation shows it."""
    found: dict[str, Value] = {}
    for axis in domain.axes:
        if isinstance(axis, Real):
            found[axis.name] = trial.suggest_float(
                axis.name, axis.low, axis.high, step=axis.step, log=axis.log
            )
        elif isinstance(axis, Whole):
            found[axis.name] = trial.suggest_int(axis.name, axis.low, axis.high)
    return domain.snap(found)
