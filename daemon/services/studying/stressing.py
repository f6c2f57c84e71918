"""The best trials of a study in a less kind world, and on parameters that are a little off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.staircase import sweep
from daemon.search.ranking import Keys, in_order
from daemon.search.studies.plateau import Plateau, plateau, robust_ranks
from daemon.search.studies.pooling import pool
from daemon.search.studies.stress import dearer, late_pnl, without
from daemon.services.studying.layout import sliced
from daemon.services.studying.measuring import drawn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.services.studying.evidence import Evidence, FoldEvidence

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

BEST = 10
"""So many of the best are put under stress."""

PROBED = 10
"""The neighbours of so many are probed."""


# ── a less kind world ────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Stressed:
    """What the best brought in one kind of worse world, over all rows, open trades included."""

    name: str
    said: str
    pnl_usd: Floats
    ranks: Ints
    """Among those that were put under stress."""


def stressed(
    evidence: Evidence, trials: Combinations, suspicious: Mapping[str, Bools] | None = None
) -> list[Stressed]:
    """Run some trials again, best first: as it was, then in each kind of worse world."""
    wanted = evidence.wanted.stress
    told = [_told("none", "as it was", _plain(evidence, trials))]
    if wanted.costs_pct > 0:
        pnl = _plain(evidence, dearer(trials, wanted.costs_pct))
        told.append(_told("costs", f"with costs {wanted.costs_pct:g} % higher", pnl))
    if wanted.shift_rows > 0:
        pnl = _late(evidence, trials, wanted.shift_rows)
        rows = "a row" if wanted.shift_rows == 1 else f"{wanted.shift_rows} rows"
        told.append(_told("shift", f"with B's orders filled {rows} later", pnl))
    if suspicious:
        masked = {
            one.symbol: without(one.quotes, suspicious[one.symbol])
            for one in evidence.data
            if one.symbol in suspicious
        }
        count = sum(int(np.count_nonzero(marks)) for marks in suspicious.values())
        pnl = _plain(evidence, trials, masked)
        told.append(_told("masked", f"without {count:,} suspicious rows", pnl))
    return told


def _told(name: str, said: str, pnl: Floats) -> Stressed:
    at = np.arange(len(pnl))
    known = np.where(np.isfinite(pnl), pnl, -np.inf)
    found = in_order(Keys(known, np.zeros(len(pnl)), at, at))
    ranks = np.zeros(len(pnl), np.int64)
    ranks[found.places] = found.ranks
    return Stressed(name=name, said=said, pnl_usd=pnl, ranks=ranks)


def _plain(
    evidence: Evidence, trials: Combinations, masked: Mapping[str, Quotes] | None = None
) -> Floats:
    total = np.zeros(len(trials))
    for one in evidence.data:
        evidence.go_on()
        columns = sweep((masked or {}).get(one.symbol, one.quotes), trials).columns
        total += one.weight * (columns["realized_pnl_usd"] + columns["unrealized_pnl_usd"])
    return total


def _late(evidence: Evidence, trials: Combinations, rows: int) -> Floats:
    total = np.zeros(len(trials))
    for one in evidence.data:
        evidence.go_on()
        processed = sweep(one.quotes, trials).columns["rows_processed"].tolist()
        for place in range(len(trials)):
            pnl = late_pnl(one.quotes, trials[place], rows, int(processed[place]))
            total[place] += one.weight * float(pnl.sum())
    return total


# ── parameters that are a little off ─────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Probed:
    """What the neighbourhoods of the best say, an element a trial."""

    places: Ints
    """Where the trials stand in their fold."""
    found: Sequence[Plateau]
    ranks: Ints
    probes: int
    """How many points were run for it."""

    def of(self, place: int) -> Plateau | None:
        """Give what was found of one trial."""
        at = np.flatnonzero(self.places == place)
        return self.found[int(at[0])] if len(at) else None


def probed(evidence: Evidence, fold: FoldEvidence, best: Ints) -> Probed:
    """Run the neighbours of some trials on the training rows of their fold, all in one pass."""
    domain = evidence.wanted.domain
    around = [
        [(domain.key(near), near) for near in domain.neighbours(fold.points[place])]
        for place in best.tolist()
    ]
    points = {key: point for near in around for key, point in near}
    pnl = dict.fromkeys(points, np.nan)
    if points:
        asked = drawn(evidence.wanted, list(points.values()))
        columns = trained(evidence, fold, asked.combinations)
        keys = list(points)
        for place, brought in zip(
            asked.places.tolist(), columns["realized_pnl_usd"].tolist(), strict=True
        ):
            pnl[keys[place]] = brought
    own = np.asarray(fold.train_columns["realized_pnl_usd"], np.float64)[best]
    found = [
        plateau(value, np.array([pnl[key] for key, _ in near], np.float64))
        for value, near in zip(own.tolist(), around, strict=True)
    ]
    return Probed(places=best, found=found, ranks=robust_ranks(found), probes=len(points))


def trained(evidence: Evidence, fold: FoldEvidence, trials: Combinations) -> Columns:
    """Run trials on the training rows of a fold; all symbols together."""
    parts = []
    for one in evidence.data:
        evidence.go_on()
        parts.append(sweep(sliced(one.quotes, fold.train[one.symbol]), trials).columns)
    return pool(parts, [one.weight for one in evidence.data])
