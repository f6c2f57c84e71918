"""From a study whose winner was declared to proposals: a step towards it, as for sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.services.sweeping.judging.steps import Goal, Promoted, propose
from daemon.store import studies, trials

if TYPE_CHECKING:
    from daemon.services.studying.wanted import StudyTools, StudyWanted
    from daemon.store.studies import Study

ORIGIN = "study"


def promote(tools: StudyTools, wanted: StudyWanted, study: Study) -> list[Promoted]:
    """Propose a step of each rule that the study names towards its winner, if it is declared."""
    names = tuple(dict.fromkeys(wanted.promote))
    if not names:
        return []
    if study.declared != 1 or study.winner_n is None:
        why = f"study {study.id} declared no winner"
        return [Promoted(rules=names, proposal=None, said=f"nothing is proposed: {why}")]
    return propose(tools, _goal(tools, wanted, study, study.winner_n), names)


def _goal(tools: StudyTools, wanted: StudyWanted, study: Study, winner_n: int) -> Goal:
    with tools.store.read() as view:
        row = trials.get(view, study.id, winner_n)
        folds = studies.folds(view, study.id)
        report = studies.report(view, study.id) or {}
    assert row is not None  # noqa: S101 - a study names no trial that it does not have
    params: dict[str, Any] = wanted.domain.params(wanted.domain.snap(row.params), wanted.fixed)
    metric = wanted.aim.objectives[0].metric
    return Goal(
        origin=ORIGIN,
        study_id=study.id,
        params=params,
        because=(
            f"trial {winner_n} is the winner that study {study.id} ({study.name}) declared,"
            f" {metric} {_told(row.value)} in sample and {_told(row.oos_value)} on rows that"
            f" nothing was chosen on, best of {study.trials_done} trials in {len(folds)}"
            f" {'fold' if len(folds) == 1 else 'folds'}"
        ),
        expected={
            "trial": winner_n,
            "objective": metric,
            "value": row.value,
            "oos_value": row.oos_value,
            "said": report.get("said"),
            "exit_model": params.get("exit_model"),
            "data_digest": study.data_digest,
        },
    )


def _told(value: float | None) -> str:
    return "not known" if value is None else f"{value:+,.4g}"
