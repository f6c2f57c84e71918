"""Judging a study: what its choices brought on rows they were not made on, and whether to believe.

The winner is what the last fold chose, on the rows that lie nearest to the present; the
other folds vouch for the way in which it was found. Everything is worked out from the
quotes and the trials; nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.search.studies.crowd import spread
from daemon.search.studies.gates import Findings, judge, nobody
from daemon.search.studies.outlook import Stitched, stitched
from daemon.services.studying import report
from daemon.services.studying.evidence import Judged, TrialPlace
from daemon.services.studying.measuring import drawn
from daemon.services.studying.stressing import (
    BEST,
    PROBED,
    Probed,
    Stressed,
    probed,
    stressed,
    trained,
)
from daemon.services.studying.walking import Walked, walked
from daemon.services.studying.weighing import Weighed, weigh
from daemon.services.sweeping.keys import some

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from daemon.services.studying.evidence import Evidence, FoldEvidence
    from daemon.services.studying.wanted import StudyTools

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

CONVERGENCE = "with exit_model convergence no trade can lose: the figures say nothing of risk"


def judge_study(
    tools: StudyTools | None,
    evidence: Evidence,
    suspicious: Mapping[str, Bools] | None = None,
) -> Judged:
    """Say what a study comes to; ``suspicious`` marks rows of symbols that nobody should believe.

    Nothing of the tools is needed: a study is judged by its evidence alone.
    """
    del tools
    return _Work(evidence, suspicious).judged()


class _Work:
    """One judgement of one study."""

    def __init__(self, evidence: Evidence, suspicious: Mapping[str, Bools] | None) -> None:
        self.evidence, self.suspicious = evidence, suspicious
        self.wanted = evidence.wanted

    def judged(self) -> Judged:
        """Judge it."""
        walks = [walked(self.evidence, fold) for fold in self.evidence.folds]
        last = walks[-1] if walks else None
        if last is None or last.fold.chosen is None:
            return self._nobody(walks)
        weighed = weigh(self.evidence, last.fold.params[last.fold.chosen])
        best = self._best(last)
        worse = stressed(self.evidence, some(last.fold.params, best), self.suspicious)
        near = probed(self.evidence, last.fold, best[:PROBED])
        together = self._stitched(walks)
        judgement = judge(self._findings(last, weighed, worse, near, together))
        told = report.Told(
            evidence=self.evidence,
            walks=walks,
            together=together,
            weighed=weighed,
            best=best,
            stressed=worse,
            probed=near,
            map=self._map(last.fold),
        )
        warnings = () if last.fold.params[last.fold.chosen].quoted else (CONVERGENCE,)
        return Judged(
            declared=judgement.declared,
            said=judgement.said,
            winner_n=int(last.fold.numbers[last.fold.chosen]),
            report=report.document(judgement, told),
            places=tuple(self._places(walks, near)),
            warnings=warnings,
        )

    def _nobody(self, walks: list[Walked]) -> Judged:
        why = (
            "no trial of the last fold has a result that keeps all constraints"
            if walks
            else "no fold was searched"
        )
        judgement = nobody(why)
        return Judged(
            declared=False,
            said=judgement.said,
            winner_n=None,
            report=report.bare(judgement, walks, self._stitched(walks)),
            places=tuple(self._places(walks, None)),
        )

    def _stitched(self, walks: list[Walked]) -> Stitched | None:
        gains = [one.gains for one in walks if one.gains is not None]
        trades = [one.trades for one in walks if one.trades is not None]
        last = walks[-1].fold if walks else None
        if last is None or last.chosen is None:
            return None
        balance = last.params[last.chosen].initial_balance_usd
        return stitched(gains, trades, balance * sum(one.weight for one in self.evidence.data))

    # ── the best of the last fold ────────────────────────────────────────────
    def _best(self, last: Walked) -> NDArray[np.int64]:
        """Give the winner, then the others that come next and keep the constraints."""
        winner = last.fold.chosen
        places = last.inside.places[last.inside.feasible[last.inside.places]]
        count = max(BEST, min(self.wanted.max_results, len(places)))
        others = places[places != winner][: count - 1]
        return np.concatenate((np.array([winner], np.int64), others))

    def _findings(
        self,
        last: Walked,
        weighed: Weighed,
        worse: list[Stressed],
        near: Probed,
        together: Stitched | None,
    ) -> Findings:
        fold, winner = last.fold, last.fold.chosen
        assert winner is not None  # noqa: S101 - otherwise there is nobody to judge
        flat = near.of(winner)
        chosen = weighed.overfitting
        return Findings(
            winner=int(fold.numbers[winner]),
            feasible=bool(last.inside.feasible[winner]),
            quoted=fold.params[winner].quoted,
            trades=weighed.trades,
            pnl_usd=weighed.pnl_usd,
            out_of_sample_usd=None if together is None else together.pnl_usd,
            walked=self.wanted.scheme is not None,
            p_value=None if weighed.reality is None else weighed.reality.p_value,
            deflated=None if weighed.deflated is None else weighed.deflated.probability,
            pbo=None if chosen is None else chosen.probability,
            loss_share=None if chosen is None else chosen.loss_share,
            chosen_from=1 if chosen is None else chosen.trials,
            stressed={one.name: (float(one.pnl_usd[0]), one.said) for one in worse[1:]},
            kept=None if flat is None else flat.kept,
            neighbours=0 if flat is None else flat.neighbours,
        )

    # ── where trials stand ───────────────────────────────────────────────────
    def _places(self, walks: list[Walked], near: Probed | None) -> Iterator[TrialPlace]:
        for walk in walks:
            robust = near if walk is walks[-1] else None
            spots = (
                {}
                if robust is None
                else {place: at for at, place in enumerate(robust.places.tolist())}
            )
            for place, number in enumerate(walk.fold.numbers.tolist()):
                at = spots.get(place)
                score = None if at is None or robust is None else robust.found[at].score
                yield TrialPlace(
                    n=number,
                    rank=int(walk.inside.ranks[place]) or None,
                    oos_rank=None
                    if walk.outside is None
                    else int(walk.outside.ranks[place]) or None,
                    robust_rank=None
                    if at is None or robust is None
                    else int(robust.ranks[at]) or None,
                    robust_score=report.number(score),
                )

    # ── the map of the domain ────────────────────────────────────────────────
    def _map(self, fold: FoldEvidence) -> report.Map:
        """Give what points spread evenly bring on the rows of the last training."""
        points = spread(self.wanted.domain)
        asked = drawn(self.wanted, points)
        columns = trained(self.evidence, fold, asked.combinations)
        values = self.wanted.aim.values(columns)[:, 0]
        unit = self.wanted.domain.unit([points[place] for place in asked.places.tolist()])
        return report.Map(unit=unit, values=values, points=len(values))
