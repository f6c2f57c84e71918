"""Where the trials of a study stand: in sample and out of sample side by side, and by symbol."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.services.asking.inquiry_rows import UnknownName
from daemon.services.studying import asking, reading
from daemon.store import studies, trials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.services.studying.reading import TrialRecord
    from daemon.store.store import Store
    from daemon.store.studies import FoldRow, Study

WINNER, CHOSEN = "winner", "chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The best of a fold."""

    study: Study
    fold: FoldRow
    folds: int
    axes: Sequence[str]
    objectives: Sequence[str]
    symbols: Sequence[str]
    records: Sequence[TrialRecord]
    tied: frozenset[int]
    """Ranks that more than one of them has."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What the columns of the rows are called."""
        objectives = [*self.objectives] if len(self.objectives) > 1 else []
        beside = [name for symbol in self._beside for name in (symbol, f"{symbol}_oos")]
        head = ("rank", "oos_rank", "robust_rank", "trial", "mark")
        return (*head, *self.axes, "value", "oos_value", *objectives[1:], *beside, "violation")

    @property
    def _beside(self) -> Sequence[str]:
        return self.symbols if len(self.symbols) > 1 else ()

    def rows(self) -> list[tuple[Any, ...]]:
        """Give a row for each of them; equal ranks carry a sign."""
        return [self._row(one) for one in self.records]

    def _row(self, one: TrialRecord) -> tuple[Any, ...]:
        row, metric = one.row, self.objectives[0]
        values: Sequence[float | None] = row.values or [None] * len(self.objectives)
        beside = [
            one.metrics.get(symbol, {}).get(part, {}).get(metric)
            for symbol in self._beside
            for part in ("train", "test")
        ]
        rank = None if row.rank is None else f"{row.rank}{'=' * (row.rank in self.tied)}"
        places = (rank, row.oos_rank, row.robust_rank, row.n, self._mark(row.n))
        params = [row.params.get(name) for name in self.axes]
        return (*places, *params, values[0], row.oos_value, *values[1:], *beside, row.violation)

    def _mark(self, n: int) -> str | None:
        if n == self.study.winner_n and self.study.declared:
            return WINNER
        return CHOSEN if n in {self.fold.chosen_n, self.study.winner_n} else None

    def about(self) -> dict[str, Any]:
        """Say what is to be said of all rows together."""
        return {
            "study": self.study.id,
            "name": self.study.name,
            "state": self.study.state,
            "declared": None if self.study.declared is None else bool(self.study.declared),
            "fold": self.fold.fold,
            "folds": self.folds,
            "objectives": list(self.objectives),
            "symbols": list(self.symbols),
        }


def places(store: Store, ref: str, limit: int, fold: int | None = None) -> Places:
    """Give the best trials of a fold; of the last one by default.

    Raises:
        UnknownStudy: there is none.
        UnknownName: it has no such fold.
    """
    study = asking.find(store, ref)
    if fold is not None and fold > study.folds:
        there = "it has one fold" if study.folds == 1 else f"its folds are 1 to {study.folds}"
        raise UnknownName(f"study {study.id} has no fold {fold}", hint=there)
    spec: Mapping[str, Any] = study.spec
    with store.read() as view:
        folds = {one.fold: one for one in studies.folds(view, study.id)}
        asked = folds[fold or study.folds]
        rows = trials.best(view, study.id, asked.fold, limit)
    counted = Counter(row.rank for row in rows)
    return Places(
        study=study,
        fold=asked,
        folds=study.folds,
        axes=[axis["name"] for axis in spec["domain"]],
        objectives=[one["metric"] for one in spec["aim"]["objectives"]],
        symbols=[symbol for symbol, _ in spec["symbols"]],
        records=reading.records(store, study, rows),
        tied=frozenset(rank for rank, count in counted.items() if count > 1 and rank is not None),
    )
