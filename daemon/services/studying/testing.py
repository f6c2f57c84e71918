"""What the trials of a fold bring on rows that nothing was chosen on, and which one it chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.services.studying.measuring import drawn, linked
from daemon.services.sweeping.patience import patiently
from daemon.store import results, studies, trials
from daemon.store.studies import TEST, Choice
from daemon.store.trials import DONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.services.studying.layout import Layout, Rows
    from daemon.services.studying.measuring import Measurer
    from daemon.services.studying.telling import Teller
    from daemon.services.studying.wanted import StudyTools
    from daemon.store.store import Tx
    from daemon.store.trials import TrialRow

AT_ONCE = 512
"""So many trials are evaluated and written together."""


class FoldTest:
    """A fold that was searched: all of its trials are tried on its test rows."""

    def __init__(
        self, tools: StudyTools, layout: Layout, measurer: Measurer, teller: Teller, fold: int
    ) -> None:
        self.tools, self.layout, self.measurer = tools, layout, measurer
        self.teller, self.fold = teller, fold

    def run(self) -> None:
        """Try what was not tried yet, and write down what the fold came to."""
        with self.tools.store.read(patient=True) as view:
            rows = trials.of_fold(view, self.teller.study_id, self.fold)
        done = [row for row in rows if row.state == DONE]
        if self.layout.tested(self.fold):
            left, stretches = self._untested(done), self.layout.cut(self.fold, TEST)
            for start in range(0, len(left), AT_ONCE):
                self._test(left[start : start + AT_ONCE], stretches)
        self._choose(done)

    def _untested(self, done: Sequence[TrialRow]) -> list[TrialRow]:
        """Give those that have no result on the test rows."""
        study_id = self.teller.study_id
        with self.tools.store.read(patient=True) as view:
            there = trials.links(view, study_id, TEST)
        tested = {n for n, _ in there}
        return [row for row in done if row.n not in tested]

    def _test(self, some: Sequence[TrialRow], stretches: Sequence[Rows]) -> None:
        wanted, study_id = self.layout.wanted, self.teller.study_id
        points = [wanted.domain.snap(row.params) for row in some]
        found = self.measurer.measure(drawn(wanted, points), stretches)
        numbers = [row.n for row in some]
        values = wanted.aim.values(found.pooled)[:, 0]
        oos = [
            (numbers[place], value)
            for place, value in zip(found.places.tolist(), values.tolist(), strict=True)
            if np.isfinite(value) and place not in found.errors
        ]
        links = linked(found, numbers)

        def write(tx: Tx) -> None:
            for new in found.new:
                results.add(tx, new)
            trials.put_oos(tx, study_id, oos)
            trials.link(tx, study_id, links)

        patiently(self.tools, write)
        self.teller.pulse()

    def _choose(self, done: Sequence[TrialRow]) -> None:
        """Write down the best of the fold in sample, and what it brought out of sample."""
        aim, study_id, fold = self.layout.wanted.aim, self.teller.study_id, self.fold
        chosen = None
        if done:
            width = len(aim.objectives)
            nothing = [float("nan")] * width
            values = np.array([row.values or nothing for row in done], np.float64)
            place = aim.order(values, np.array([row.violation or 0.0 for row in done])).best
            chosen = None if place is None else done[place].n
        row = None
        if chosen is not None:
            with self.tools.store.read() as view:
                row = trials.get(view, study_id, chosen)
        choice = Choice(
            chosen_n=chosen,
            value=None if row is None else row.value,
            oos_value=None if row is None else row.oos_value,
        )
        patiently(self.tools, lambda tx: studies.choose(tx, study_id, fold, choice))
