"""What a run of a study came to, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.clock import iso
from daemon.errors import Exit
from daemon.store.studies import DONE, STOPPED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.services.studying.claim import Ending
    from daemon.services.studying.evidence import Judged
    from daemon.services.sweeping.judging.steps import Promoted
    from daemon.store.studies import FoldRow, Study

CODES = {DONE: Exit.DONE, STOPPED: Exit.TRY_AGAIN}
"""What a run ends with, by the state in which it leaves its study; 1 otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """What came of a run."""

    study_id: int
    name: str
    state: str
    said: str
    """All of it in a sentence."""
    nothing_to_do: bool = False
    trials: int = 0
    """Trials of the study that are finished: done, pruned or failed."""
    known: int = 0
    """Of those that this run finished, whose results were there."""
    evaluated: int = 0
    """Of those that this run finished, who were evaluated."""
    pruned: int = 0
    failed: int = 0
    done: int = 0
    """Of the study, who have a result; pruned and failed are of the study as well."""
    seconds: float = 0.0
    declared: bool | None = None
    """Whether the winner may be followed; None where nobody has judged it."""
    winner_n: int | None = None
    winner: Mapping[str, Any] | None = None
    """The parameters of the winner that are searched."""
    value: float | None = None
    """What the winner brought in sample."""
    oos_value: float | None = None
    judged: Judged | None = None
    """What was made of it in this run."""
    report: Mapping[str, Any] | None = None
    folds: Sequence[FoldRow] = ()
    promoted: Sequence[Promoted] = ()
    failures: Sequence[tuple[int, str]] = ()
    """The first trials that failed, and why."""
    warnings: Sequence[str] = ()

    @property
    def exit_code(self) -> Exit:
        """What a command that did this ends with."""
        if self.state == DONE and not self.done:
            return Exit.FAILED
        return CODES.get(self.state, Exit.FAILED)


@dataclass(slots=True)
class Counts:
    """Trials that this run finished."""

    trials: int = 0
    known: int = 0
    failed: int = 0

    @property
    def evaluated(self) -> int:
        """Who have a result that nobody had before."""
        return self.trials - self.known - self.failed


def counted(count: int) -> str:
    """Count trials."""
    return "1 trial" if count == 1 else f"{count:,} trials"


def told(study: Study, counts: Counts, ending: Ending | None, folds: Sequence[FoldRow]) -> str:
    """Say what a run came to."""
    number, here = f"study {study.id}", f"{counted(counts.trials)} in this run"
    if counts.trials:
        here += f" ({counts.evaluated:,} evaluated, {counts.known:,} known before)"
    beside = ((study.trials_pruned, "given up early"), (study.trials_failed, "failed"))
    in_all = f"{counted(study.trials_finished)} in all"
    in_all += "".join(f", {count:,} {word}" for count, word in beside if count)
    if ending is not None:
        return f"{number} is not done: {ending.note}; {here}, {in_all}: run it again to go on"
    reasons = ", ".join(sorted({fold.ended for fold in folds if fold.ended}))
    in_folds = f"{len(folds)} folds" if len(folds) > 1 else "one fold"
    return f"{number} is done after {in_folds} ({reasons}): {here}, {in_all}"


def nothing_to_do(study: Study) -> str:
    """Say that it was done before."""
    at = iso(study.finished_at_us or study.created_at_us)
    return (
        f"nothing to do: {study.name} was finished as study {study.id} at {at}, and neither what"
        " it asks nor the data nor the engine have changed since; a larger budget goes on with it"
    )
