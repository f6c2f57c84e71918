"""What a study found, read back trial by trial: what was tried, and what it brought."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.store import results, trials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.store.store import Store
    from daemon.store.studies import Study
    from daemon.store.trials import TrialRow


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial, and all that it brought."""

    row: TrialRow
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By symbol and part (`train`, `test`, `probe`): every metric by name."""

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it, without the metrics of each part."""
        row = self.row
        return {
            "trial": row.n,
            "fold": row.fold,
            "batch": row.batch,
            "state": row.state,
            "params": dict(row.params),
            "value": row.value,
            "values": None if row.values is None else list(row.values),
            "violation": row.violation,
            "oos_value": row.oos_value,
            "rank": row.rank,
            "oos_rank": row.oos_rank,
            "robust_rank": row.robust_rank,
            "robust_score": row.robust_score,
            "known": row.known,
            "error": row.error,
        }


def trials_of(store: Store, study: Study) -> Iterator[TrialRecord]:
    """Read all trials of a study, in order, some thousand at a time."""
    after = 0
    while True:
        with store.read(patient=True) as view:
            page = trials.page(view, study.id, after)
        if not page:
            return
        yield from records(store, study, page)
        after = page[-1].n


def records(store: Store, study: Study, rows: Sequence[TrialRow]) -> list[TrialRecord]:
    """Read what some trials brought, in the order in which they are given."""
    if not rows:
        return []
    numbers = [row.n for row in rows]
    with store.read(patient=True) as view:
        links = trials.links_between(view, study.id, min(numbers), max(numbers))
        wanted = set(numbers)
        mine = [one for one in links if one.n in wanted]
        found = results.read(view, list(dict.fromkeys(one.result_key for one in mine)))
    metrics: dict[int, dict[str, dict[str, Any]]] = {}
    for one in mine:
        if one.result_key in found:
            parts = metrics.setdefault(one.n, {}).setdefault(one.symbol, {})
            parts[one.part] = found[one.result_key].document()
    return [TrialRecord(row, metrics.get(row.n, {})) for row in rows]
