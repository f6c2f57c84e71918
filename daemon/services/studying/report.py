"""The report of a study, as JSON can hold it; numbers that mean nothing are null.

`docs/explanation/overfitting.md` says what the figures mean. Its keys:

- ``judgement``: ``declared``, ``said``, ``next`` (what to do about it), and ``gates``, each
  with ``name``, ``held``, ``value``, ``limit`` and ``text``;
- ``winner``: ``n``, ``params``, ``fold``, ``value`` and ``oos_value`` (first objective),
  ``rank`` and ``oos_rank``, ``robust_rank``, ``metrics`` in sample and ``oos_metrics``;
- ``folds``: for each ``fold``, ``train`` and ``test`` rows by symbol (first and last),
  ``trials``, ``tried``, ``ended``, ``chosen_n``, ``value``, ``oos_value``, ``oos_rank``,
  ``oos_pnl_usd`` (open trades included), ``rank_correlation``, and ``best``: the first
  trials with ``n``, ``rank``, ``oos_rank``, ``value``, ``oos_value``;
- ``out_of_sample``: all folds stitched: ``folds``, ``pnl_usd``, ``max_drawdown_pct``,
  ``trades``, ``sharpe_per_trade``;
- ``luck``: ``trials``, ``effective_trials``, ``compared``, ``crowd``, ``deflated_sharpe``,
  ``sharpe``, ``pbo``, ``cross_validation``, ``reality_check``, ``notes``;
- ``stress``: ``kinds`` (``name``, ``said``) and ``trials``: ``n`` with ``pnl_usd`` and
  ``rank`` by kind;
- ``plateau``: ``probes`` and ``trials``: ``n``, ``score_usd``, ``worst_usd``, ``own_usd``,
  ``kept``, ``neighbours``, ``robust_rank``;
- ``importance``: ``points``, ``axes`` (name: share of the variance, or null), ``note``;
- ``contours``: ``axes``, ``edges`` (shares of each axis), ``mean``, ``best``, ``count``;
- ``symbols``: for each ``symbol``, its ``weight``, ``best_n`` on its own rows and, for the
  best trials of the pooled ranking, ``n`` and ``rank`` on this symbol, ``value``, ``oos_value``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import Metrics
from daemon.search.studies.contour import contours
from daemon.search.studies.importance import POINTS_MIN, importance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daemon.search.studies.gates import Judgement
    from daemon.search.studies.outlook import Stitched
    from daemon.services.studying.evidence import Evidence
    from daemon.services.studying.stressing import Probed, Stressed
    from daemon.services.studying.walking import Walked
    from daemon.services.studying.weighing import Weighed

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SHOWN = 10
"""So many trials of each fold are named."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Map:
    """What points spread evenly over the domain bring: where they lie, and the first objective."""

    unit: Floats
    values: Floats
    points: int


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Told:
    """All that there is to tell."""

    evidence: Evidence
    walks: Sequence[Walked]
    together: Stitched | None
    weighed: Weighed
    best: Ints
    """Places in the last fold, the winner first."""
    stressed: Sequence[Stressed]
    probed: Probed
    map: Map


def document(judgement: Judgement, told: Told) -> dict[str, Any]:
    """Put everything together."""
    return {
        **bare(judgement, told.walks, told.together),
        "winner": plain(_winner(told)),
        "luck": plain(told.weighed.document()),
        "stress": plain(_stress(told)),
        "plateau": plain(_plateau(told)),
        **_map(told),
        "symbols": plain(_symbols(told)),
    }


def bare(
    judgement: Judgement, walks: Sequence[Walked], together: Stitched | None
) -> dict[str, Any]:
    """Say what can be said where nobody won."""
    return {
        "judgement": plain(judgement.document()),
        "winner": None,
        "folds": [plain(_fold(walk)) for walk in walks],
        "out_of_sample": None if together is None else plain(asdict(together)),
    }


# ── the parts ────────────────────────────────────────────────────────────────
def _winner(told: Told) -> dict[str, Any]:
    walk, place = told.walks[-1], int(told.best[0])
    fold, outside = walk.fold, walk.outside
    oos = fold.test_columns
    spot = np.flatnonzero(told.probed.places == place)
    return {
        "n": int(fold.numbers[place]),
        "params": fold.params[place].document(),
        "point": dict(fold.points[place]),
        "fold": fold.number,
        "value": float(fold.values[place, 0]),
        "oos_value": _value(told, oos, place),
        "rank": int(walk.inside.ranks[place]) or None,
        "oos_rank": None if outside is None else int(outside.ranks[place]) or None,
        "robust_rank": int(told.probed.ranks[spot[0]]) or None if len(spot) else None,
        "metrics": Metrics.of(fold.train_columns, place).document(),
        "oos_metrics": None if oos is None else Metrics.of(oos, place).document(),
    }


def _value(told: Told, columns: Any, place: int) -> float | None:
    if columns is None:
        return None
    return float(columns[told.evidence.wanted.aim.objectives[0].metric][place])


def _fold(walk: Walked) -> dict[str, Any]:
    fold, inside, outside = walk.fold, walk.inside, walk.outside
    chosen = fold.chosen
    values = walk.test_values
    return {
        "fold": fold.number,
        "train": {name: _ends(rows) for name, rows in fold.train.items()},
        "test": {name: _ends(rows) for name, rows in fold.test.items()},
        "trials": len(fold.numbers),
        "tried": fold.tried,
        "ended": fold.ended,
        "chosen_n": None if chosen is None else int(fold.numbers[chosen]),
        "value": None if chosen is None else float(fold.values[chosen, 0]),
        "oos_value": None if chosen is None or values is None else float(values[chosen]),
        "oos_rank": None if chosen is None or outside is None else int(outside.ranks[chosen]),
        "oos_pnl_usd": None if walk.gains is None else float(walk.gains.sum()),
        "rank_correlation": walk.correlation,
        "best": [
            {
                "n": int(fold.numbers[place]),
                "rank": int(inside.ranks[place]),
                "oos_rank": None if outside is None else int(outside.ranks[place]) or None,
                "value": float(fold.values[place, 0]),
                "oos_value": None if values is None else float(values[place]),
            }
            for place in inside.places[:SHOWN].tolist()
        ],
    }


def _ends(rows: range) -> list[int] | None:
    return [rows[0], rows[-1]] if len(rows) else None


def _stress(told: Told) -> dict[str, Any]:
    numbers = told.walks[-1].fold.numbers
    return {
        "kinds": [{"name": one.name, "said": one.said} for one in told.stressed],
        "trials": [
            {
                "n": int(numbers[place]),
                "pnl_usd": {one.name: float(one.pnl_usd[at]) for one in told.stressed},
                "rank": {one.name: int(one.ranks[at]) for one in told.stressed},
            }
            for at, place in enumerate(told.best.tolist())
        ],
    }


def _plateau(told: Told) -> dict[str, Any]:
    numbers = told.walks[-1].fold.numbers
    both = zip(told.probed.places.tolist(), told.probed.found, strict=True)
    return {
        "probes": told.probed.probes,
        "trials": [
            {
                "n": int(numbers[place]),
                "score_usd": found.score,
                "worst_usd": found.worst,
                "own_usd": found.own,
                "kept": found.kept,
                "neighbours": found.neighbours,
                "robust_rank": int(told.probed.ranks[at]) or None,
            }
            for at, (place, found) in enumerate(both)
        ],
    }


def _map(told: Told) -> dict[str, Any]:
    names = [axis.name for axis in told.evidence.wanted.domain.axes]
    seen = told.map
    shares = importance(seen.unit, seen.values)
    few = f"{seen.points} points are too few to tell: at least {POINTS_MIN} are needed"
    none = "the differences are too small, or too few points share a value"
    note = few if seen.points < POINTS_MIN else none if np.isnan(shares).all() else None
    return {
        "importance": {
            "points": seen.points,
            "axes": plain(dict(zip(names, shares.tolist(), strict=True))),
            "note": note,
        },
        "contours": [one.document(names) for one in contours(seen.unit, seen.values, shares)],
    }


def _symbols(told: Told) -> list[dict[str, Any]]:
    fold, aim = told.walks[-1].fold, told.evidence.wanted.aim
    found = []
    for one in told.evidence.data:
        train, test = fold.by_symbol[one.symbol]
        values = aim.values(train)
        ordered = aim.order(values, aim.violation(train))
        later = None if test is None else aim.values(test)
        found.append(
            {
                "symbol": one.symbol,
                "weight": one.weight,
                "best_n": None if ordered.best is None else int(fold.numbers[ordered.best]),
                "trials": [
                    {
                        "n": int(fold.numbers[place]),
                        "rank": int(ordered.ranks[place]) or None,
                        "value": float(values[place, 0]),
                        "oos_value": None if later is None else float(later[place, 0]),
                    }
                    for place in told.best.tolist()
                ],
            }
        )
    return found


# ── values ───────────────────────────────────────────────────────────────────
def number(value: float | None) -> float | None:
    """Give a number that JSON can hold, or nothing."""
    return float(value) if value is not None and math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Turn tuples into lists, and what is no finite number into nothing."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return number(float(value))
    return value
