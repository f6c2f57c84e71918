"""All that is said of a finished session beside its plain ranking, with one call.

Which axes changed nothing, who would still be good if its parameters were a little
off, between which thresholds nothing changes, and how far the winner may be luck.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.breakpoints import Interval, unchanged
from daemon.search.axes import Changes, changes
from daemon.search.luck import Luck, luck
from daemon.search.ranking import ANY, Filters, Ranked
from daemon.search.robustness import Robust, robust

if TYPE_CHECKING:
    from daemon.search.trials import Trials

SHOWN = 10
"""The best jobs whose thresholds are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is said of a session."""

    changes: Changes | None
    """None where the jobs are no grid."""
    robust: Robust | None
    unchanged: dict[int, Interval]
    """By index, for the best jobs."""
    luck: Luck | None
    """None where nobody was ranked, or the quotes are not at hand."""

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it; jobs are named by their numbers, from 1."""
        return {
            "robust": None if self.robust is None else _robust(self.robust),
            "dead_axes": [] if self.changes is None else [*self.changes.dead],
            "same": []
            if self.changes is None
            else [_plain(asdict(one)) for one in self.changes.alike],
            "unchanged": [
                {
                    "n": place + 1,
                    "min_spread_bps_above": found.low,
                    "min_spread_bps_to": found.high,
                }
                for place, found in self.unchanged.items()
            ],
            "luck": None if self.luck is None else _plain(self.luck.document()),
        }


def examine(trials: Trials, ranked: Ranked, filters: Filters = ANY) -> Report:
    """Say everything; ``ranked`` are the trials as `ranking` ranked them with these filters."""
    grid, columns, done = trials.grid, trials.columns, trials.done
    some = grid is not None and "realized_pnl_usd" in columns
    return Report(
        changes=changes(grid, columns, done=done) if grid is not None else None,
        robust=robust(grid, columns, filters, done=done) if grid is not None and some else None,
        unchanged=_unchanged(trials, ranked),
        luck=luck(trials, int(ranked.places[0])) if len(ranked) else None,
    )


def _unchanged(trials: Trials, ranked: Ranked) -> dict[int, Interval]:
    if trials.quotes is None or trials.draw is None or not len(ranked):
        return {}
    places = ranked.places[:SHOWN]
    drawn = trials.draw(places)
    return {
        place: unchanged(trials.quotes, drawn[number])
        for number, place in enumerate(places.tolist())
    }


def _robust(found: Robust) -> dict[str, Any]:
    """Describe the winner; what is said of every job stands in the rankings."""
    best = found.best
    told: dict[str, Any] = {"n": None if best is None else best + 1, "axes": [*found.axes]}
    if best is not None:
        told |= {
            "score_usd": float(found.score[best]),
            "worst_usd": float(found.worst[best]),
            "spread_usd": float(found.spread[best]),
            "neighbours": int(found.neighbours[best]),
        }
    return told


def _plain(value: Any) -> Any:
    """Turn tuples into lists, and what is no finite number into nothing."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
