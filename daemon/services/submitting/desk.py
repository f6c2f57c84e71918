"""Where programs hand in studies, ask how they stand, and have them end.

What is handed in is judged at once, as a study file is, and written down before it is
answered for. Whoever leads runs it; this may be another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.errors import DaemonError, Exit, Problem
from daemon.services.studying import asking
from daemon.services.submitting.fence import strays
from daemon.store import studies, submissions, trials
from daemon.store.submissions import RUNNING, WAITING, NewSubmission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.clock import Clock
    from daemon.config.study_file import LoadedStudy
    from daemon.store.store import Store, Tx
    from daemon.store.studies import Study
    from daemon.store.submissions import Submission

WAITING_MAX = 100
"""Submissions that may wait; more are refused until some of them have been run."""

PRIORITIES = range(10)
SHOWN_MAX = 500
BRIEF = {
    "judgement": ("declared", "said"),
    "winner": ("n", "point", "value", "oos_value"),
}
"""What a list tells of a judgement and of a winner."""


class Refused(DaemonError):  # noqa: N818 - what became of it
    """A study that cannot be run as it was sent; with everything that is wrong."""

    exit_code = Exit.INPUT

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("the study does not hold; nothing was taken")
        self.problems = problems


class Crowded(DaemonError):  # noqa: N818 - a state
    """Too many studies wait."""

    exit_code = Exit.TRY_AGAIN


class Unknown(DaemonError):  # noqa: N818 - says what was asked
    """A submission that nobody made, or that was forgotten."""

    exit_code = Exit.USAGE


@dataclass(frozen=True)
class Desk:
    """Takes studies in; any thread may ask."""

    store: Store
    clock: Clock
    root: Path
    """The folder below which quotes are read."""
    judge: Callable[[Mapping[str, Any]], LoadedStudy]
    """Reads a study; raises a `ConfigError` with all that is wrong with it."""
    waiting_max: int = WAITING_MAX

    def submit(self, body: Mapping[str, Any], priority: int = 0) -> dict[str, Any]:
        """Take a study in; gives how it stands.

        Raises:
            Refused: it cannot be run.
            ConfigError: the same, said by who reads studies.
            Crowded: too many wait.
            StoreError: it could not be written down.
        """
        loaded = self.judge(body)
        files = [file for _, file, _ in loaded.data]
        outside = strays(self.root, files, several=loaded.study.data_file is None)
        if outside:
            raise Refused(outside)
        now_us = self.clock.now_us()
        new = NewSubmission(name=loaded.name, body=body, priority=priority, asked_at_us=now_us)
        with self.store.write() as tx:
            if submissions.waiting(tx) >= self.waiting_max:
                raise Crowded(
                    f"{self.waiting_max} studies wait already; this one was not taken",
                    hint="send it again when some of them have ended, or cancel what is not needed",
                )
            number = submissions.file(tx, new)
        return self.shown(number)

    def shown(self, number: int) -> dict[str, Any]:
        """Tell how a submission stands.

        Raises:
            Unknown: there is none.
        """
        with self.store.read() as view:
            return self._document(view, _found(view, number))

    def listed(self, limit: int) -> dict[str, Any]:
        """Tell how the newest ones stand."""
        with self.store.read() as view:
            found = submissions.listed(view, limit + 1)
            shown = [_in_brief(self._document(view, one)) for one in found[:limit]]
            waiting = submissions.waiting(view)
        return {
            "submissions": shown,
            "more": len(found) > limit,
            "waiting": waiting,
            "waiting_max": self.waiting_max,
        }

    def cancel(self, number: int) -> dict[str, Any]:
        """Have a submission end; one that has ended stays as it is.

        Raises:
            Unknown: there is none.
        """
        with self.store.write() as tx:
            found = _found(tx, number)
            submissions.request_cancel(tx, number, self.clock.now_us())
        if found.state == RUNNING and found.study_id is not None:
            asking.cancel(self.store, self.clock, str(found.study_id))
        return self.shown(number)

    # ── how it stands ────────────────────────────────────────────────────────
    def _document(self, view: Tx, one: Submission) -> dict[str, Any]:
        study = None if one.study_id is None else studies.get(view, one.study_id)
        waits = one.state in WAITING
        return {
            "id": one.id,
            "name": one.name,
            "state": one.state,
            "priority": one.priority,
            "ahead": submissions.ahead(view, one) if waits else None,
            "asked_at": iso(one.asked_at_us),
            "started_at": _moment(one.started_at_us),
            "ended_at": _moment(one.ended_at_us),
            "cancel_requested_at": _moment(one.cancel_requested_at_us),
            "again_at": _moment(one.again_at_us) if waits else None,
            "tries": one.tries,
            "exit_code": one.exit_code,
            "note": one.note,
            "study_id": one.study_id,
            "progress": None if study is None else self._progress(view, one, study),
            **_found_by(view, one, study),
        }

    def _progress(self, view: Tx, one: Submission, study: Study) -> dict[str, Any]:
        runs = one.state == RUNNING
        eta_us = study.eta_at_us if runs else None
        best = None if study.best_n is None else trials.get(view, study.id, study.best_n)
        folds = studies.folds(view, study.id)
        open_folds = [fold.fold for fold in folds if fold.ended is None]
        return {
            "fold": min(open_folds, default=study.folds),
            "folds": study.folds,
            "trials": study.trials_finished,
            "of": study.trials_total,
            "known": study.trials_known,
            "pruned": study.trials_pruned,
            "failed": study.trials_failed,
            "best": study.best_value,
            "best_params": None if best is None else dict(best.params),
            "trials_per_s": study.trials_per_s if runs else None,
            "eta_s": None if eta_us is None else max(0, eta_us - self.clock.now_us()) / MICROS,
        }


def _found_by(view: Tx, one: Submission, study: Study | None) -> dict[str, Any]:
    """Give what came of it, once it is judged."""
    report = None
    if study is not None and one.state == submissions.DONE:
        report = studies.report(view, study.id)
    if report is None:
        return {"judgement": None, "winner": None}
    return {"judgement": report.get("judgement"), "winner": report.get("winner")}


def _in_brief(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a list what fills a page for each."""
    found = dict(document)
    for part, keys in BRIEF.items():
        if found[part] is not None:
            found[part] = {key: found[part].get(key) for key in keys}
    return found


def _found(view: Tx, number: int) -> Submission:
    found = submissions.get(view, number)
    if found is None:
        hint = "GET /api/v1/backtests/optimize lists the newest"
        raise Unknown(f"there is no submission {number}", hint=hint)
    return found


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
