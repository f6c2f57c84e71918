"""What trials bring on some rows: taken from where it is known, evaluated where it is not.

Nobody evaluates a combination twice on the same rows, whoever asked first: results
are known by the engine, the rows and the parameters, in sessions and studies alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import ENGINE_VERSION
from daemon.market.params import Combinations, Params
from daemon.search.studies.pooling import pool
from daemon.services.sweeping import rows as figures
from daemon.services.sweeping.keys import canonical, result_keys, some
from daemon.store import results
from daemon.store.results import NewResults
from daemon.store.trials import Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.search.studies.domain import Point
    from daemon.services.studying.evaluating import Brought, Evaluator
    from daemon.services.studying.layout import Rows
    from daemon.services.studying.wanted import StudyTools, StudyWanted

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


# ── what is tried ────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Drawn:
    """Points as combinations, and those that the engine refuses."""

    combinations: Combinations
    texts: Sequence[str]
    """The parameters in their canonical form."""
    places: Ints
    """Where they stand among the points; the others are refused."""
    refused: Mapping[int, str]

    def only(self, which: Ints) -> Drawn:
        """Take some of them, by their places among the points."""
        mine = np.flatnonzero(np.isin(self.places, which))
        return Drawn(
            combinations=some(self.combinations, mine),
            texts=[self.texts[place] for place in mine.tolist()],
            places=self.places[mine],
            refused={},
        )


def drawn(wanted: StudyWanted, points: Sequence[Point]) -> Drawn:
    """Give the parameters of points; what cannot be run is told apart."""
    params: list[Params] = []
    places: list[int] = []
    refused: dict[int, str] = {}
    for place, point in enumerate(points):
        own: dict[str, Any] = wanted.domain.params(point, wanted.fixed)
        try:
            params.append(Params(**own))
            places.append(place)
        except (TypeError, ValueError) as error:
            refused[place] = str(error)
    combinations = Combinations.of(params)
    return Drawn(
        combinations=combinations,
        texts=canonical(combinations),
        places=np.array(places, np.int64),
        refused=refused,
    )


# ── what it brings ───────────────────────────────────────────────────────────
@dataclass(eq=False, slots=True, kw_only=True)
class Measured:
    """What trials brought; an element of every array a combination."""

    places: Ints
    """Where they stand among the points."""
    by_symbol: dict[str, Columns] = field(default_factory=dict)
    pooled: Columns = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    """Why some brought nothing, by their place among the points."""
    known: Bools
    """Whose results were there, for every symbol."""
    new: list[NewResults] = field(default_factory=list)
    """Results that are to be written."""
    links: list[tuple[int, str, str, str]] = field(default_factory=list)
    """Place among the points, symbol, part, and the key of the result."""


class Measurer:
    """Finds out what combinations bring."""

    def __init__(self, tools: StudyTools, evaluator: Evaluator) -> None:
        self.tools, self.evaluator = tools, evaluator

    def measure(self, asked: Drawn, stretches: Sequence[Rows]) -> Measured:
        """Give what combinations bring on some rows of every symbol.

        Raises:
            ExecutorFault: nothing runs any more.
        """
        found = Measured(places=asked.places, known=np.ones(len(asked.places), np.bool_))
        texts, first, which = _distinct(asked.texts)
        combinations = some(asked.combinations, first)
        keys = {one.symbol: result_keys(one.digest, texts) for one in stretches}
        there = {one.symbol: self._known(keys[one.symbol]) for one in stretches}
        left = {
            symbol: np.array(
                [place for place, key in enumerate(mine) if key not in there[symbol]], np.int64
            )
            for symbol, mine in keys.items()
        }
        wishes = [one for one in stretches if len(left[one.symbol])]
        brought = self.evaluator.run(
            [(one.quotes, some(combinations, left[one.symbol])) for one in wishes]
        )
        fresh = {one.symbol: what for one, what in zip(wishes, brought, strict=True)}
        for one in stretches:
            mine = keys[one.symbol]
            columns = _columns(mine, there[one.symbol], left[one.symbol], fresh.get(one.symbol))
            failed = self._take(found, one, (mine, texts, left[one.symbol]), fresh.get(one.symbol))
            found.by_symbol[one.symbol] = {name: column[which] for name, column in columns.items()}
            found.known &= ~np.isin(which, left[one.symbol])
            for place, distinct in zip(asked.places.tolist(), which.tolist(), strict=True):
                if distinct in failed:
                    found.errors.setdefault(place, failed[distinct])
                else:
                    found.links.append((place, one.symbol, one.part, mine[distinct]))
        found.pooled = pool(list(found.by_symbol.values()), [one.weight for one in stretches])
        return found

    def _known(self, keys: Sequence[str]) -> dict[str, results.Figures]:
        with self.tools.store.read() as view:
            return results.read(view, keys)

    def _take(
        self,
        found: Measured,
        rows: Rows,
        asked: tuple[Sequence[str], Sequence[str], Ints],
        brought: Brought | None,
    ) -> dict[int, str]:
        """Keep what was evaluated to be written; gives what failed, by its distinct place."""
        keys, texts, left = asked
        if brought is None:
            return {}
        failed = {int(left[place]): why for place, why in brought.errors.items()}
        sound = np.array(
            [place for place in range(len(left)) if place not in brought.errors], np.int64
        )
        if len(sound):
            own = {name: column[sound] for name, column in brought.columns.items()}
            places = left[sound].tolist()
            share_s = brought.seconds / len(left)
            found.new.append(
                NewResults(
                    at_us=self.tools.clock.now_us(),
                    engine_version=ENGINE_VERSION,
                    data_digest=rows.digest,
                    keys=[keys[place] for place in places],
                    params=[texts[place] for place in places],
                    figures=figures.figures(own),
                    metrics=figures.metric_texts(own),
                    runtime_s=[share_s] * len(places),
                )
            )
        return failed


def _distinct(texts: Sequence[str]) -> tuple[list[str], Ints, Ints]:
    """Tell combinations apart: each one's text, where it first stands, and which one each is."""
    number: dict[str, int] = {}
    which = np.array([number.setdefault(text, len(number)) for text in texts], np.int64)
    first = np.full(len(number), len(texts), np.int64)
    np.minimum.at(first, which, np.arange(len(texts)))
    return list(number), first, which


def _columns(
    keys: Sequence[str],
    there: Mapping[str, results.Figures],
    left: Ints,
    brought: Brought | None,
) -> Columns:
    """Lay what was known and what was evaluated side by side."""
    columns = figures.blank(len(keys))
    known = np.setdiff1d(np.arange(len(keys)), left, assume_unique=True)
    if len(known):
        read = figures.columns_of([there[keys[place]] for place in known.tolist()])
        for name, column in read.items():
            columns[name][known] = column
    if brought is not None:
        for name, column in brought.columns.items():
            columns[name][left] = column
    return columns


def linked(found: Measured, numbers: Sequence[int]) -> list[Link]:
    """Say which results trials have, by their numbers; not of those that failed on any symbol."""
    return [
        Link(numbers[place], symbol, part, key)
        for place, symbol, part, key in found.links
        if place not in found.errors
    ]
