"""What an operator asks of studies: which there are, how far one is, and to end one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.services.asking.inquiry_rows import Table, UnknownName, known_name
from daemon.services.studying import reading
from daemon.services.sweeping import runners
from daemon.services.sweeping.asking import LAST, state_of
from daemon.store import proposals, studies, trials
from daemon.store.studies import CANCELLED, DONE, RUNNING

if TYPE_CHECKING:
    from daemon.clock import Clock
    from daemon.store.store import Store, Tx
    from daemon.store.studies import Study

FAILURES = 10
PLACES = 10

COLUMNS = (
    *("study", "name", "state", "sampler", "folds", "trials", "of", "done", "pruned", "failed"),
    *("known", "best_value", "declared", "winner", "trials_per_s", "eta_at", "spent_s"),
    *("created_at", "started_at", "finished_at", "judged_at", "runner", "note", "age_s"),
)
BRIEF = ("study", "name", "state", "sampler", "trials", "of", "best_value", "declared", "eta_at")


class UnknownStudy(UnknownName):
    """A study that nobody has run."""


# ── which ────────────────────────────────────────────────────────────────────
def find(store: Store, ref: str) -> Study:
    """Find a study by its number, by its name (the newest of it), or the last one.

    Raises:
        UnknownStudy: there is none; with the nearest name there is.
    """
    with store.read() as view:
        found = _find(view, ref)
        if found is not None:
            return found
        known = studies.names(view)
    if ref.isdecimal() or ref == LAST or not known:
        what = "there is no study yet" if not known else f"there is no study {ref}"
        hint = "run one: daemon optimize FILE" if not known else "see them: daemon study list"
        raise UnknownStudy(what, hint=hint)
    try:
        known_name(ref, known, "study")
    except UnknownName as error:
        raise UnknownStudy(error.message, hint=error.hint) from None
    raise UnknownStudy(f"study {ref} is gone", hint="see them: daemon study list")


def _find(view: Tx, ref: str) -> Study | None:
    named = studies.newest(view, ref)
    if named is not None:
        return named
    if ref == LAST:
        return studies.newest(view)
    number = int(ref) if ref.isdecimal() else 0
    return studies.get(view, number) if 0 < number < 2**63 else None


# ── showing ──────────────────────────────────────────────────────────────────
def listed(store: Store, clock: Clock, limit: int = 50) -> Table:
    """List studies, the newest first."""
    now_us = clock.now_us()
    with store.read() as view:
        found = studies.listed(view, limit + 1)
    rows = [_row(study, now_us) for study in found[:limit]]
    shaped = [tuple(row[column] for column in COLUMNS) for row in rows]
    return Table("studies", COLUMNS, shaped, BRIEF, len(found) > limit)


def _row(study: Study, now_us: int) -> dict[str, Any]:
    state = state_of(study, now_us)
    running = state == RUNNING
    since_us = study.finished_at_us or study.heartbeat_at_us or study.created_at_us
    return {
        "study": study.id,
        "name": study.name,
        "state": state,
        "sampler": study.sampler,
        "folds": study.folds,
        "trials": study.trials_finished,
        "of": study.trials_total,
        "done": study.trials_done,
        "pruned": study.trials_pruned,
        "failed": study.trials_failed,
        "known": study.trials_known,
        "best_value": study.best_value,
        "declared": None if study.declared is None else bool(study.declared),
        "winner": study.winner_n,
        "trials_per_s": study.trials_per_s if running else None,
        "eta_at": _moment(study.eta_at_us) if running else None,
        "spent_s": study.spent_s,
        "created_at": _moment(study.created_at_us),
        "started_at": _moment(study.started_at_us),
        "finished_at": _moment(study.finished_at_us),
        "judged_at": _moment(study.judged_at_us),
        "runner": runners.shown(study.runner) if running and study.runner else None,
        "note": study.note,
        "age_s": max(0, now_us - since_us) / MICROS,
    }


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)


def shown(store: Store, clock: Clock, ref: str, places: int = PLACES) -> dict[str, Any]:
    """Tell all that is known of a study.

    Raises:
        UnknownStudy: there is none.
    """
    study = find(store, ref)
    with store.read() as view:
        report = studies.report(view, study.id)
        folds = studies.folds(view, study.id)
        parts = studies.parts(view, study.id)
        failed = trials.failures(view, study.id, FAILURES)
        proposed = proposals.of(view, study_id=study.id, limit=PLACES)
    row = _row(study, clock.now_us())
    return {
        **row,
        "progress": None
        if not study.trials_total
        else min(1.0, study.trials_finished / study.trials_total),
        "data_digest": study.data_digest,
        "data_rows": study.data_rows,
        "engine_version": study.engine_version,
        "seed": study.seed,
        "spec": dict(study.spec),
        "walk": [
            {**asdict(fold), "rows": [_part(part) for part in parts if part.fold == fold.fold]}
            for fold in folds
        ],
        "ranking": ranked(store, study, places),
        "report": report,
        "failures": [{"trial": row.n, "fold": row.fold, "error": row.error} for row in failed],
        "proposals": [
            {"id": one.id, "state": one.state, "target": dict(one.target)} for one in proposed
        ],
    }


def _part(part: studies.PartRow) -> dict[str, Any]:
    told = asdict(part)
    del told["fold"], told["digest"]
    return told


def ranked(
    store: Store, study: Study, limit: int = PLACES, fold: int | None = None
) -> list[dict[str, Any]]:
    """Give the best trials of a fold, in sample and out of sample; of the last fold by default."""
    with store.read() as view:
        rows = trials.best(view, study.id, fold or study.folds, limit)
        folds = {one.fold: one for one in studies.folds(view, study.id)}
    found = []
    for one in reading.records(store, study, rows):
        chosen = folds[one.row.fold].chosen_n == one.row.n
        found.append(one.document() | {"chosen": chosen, "winner": study.winner_n == one.row.n})
    return found


# ── ending ───────────────────────────────────────────────────────────────────
def cancel(store: Store, clock: Clock, ref: str) -> str:
    """Have a study end; says what will become of it.

    Raises:
        UnknownStudy: there is none.
    """
    study = find(store, ref)
    now_us = clock.now_us()
    if study.state in {DONE, CANCELLED}:
        return f"study {study.id} is {study.state} already"
    running = state_of(study, now_us) == RUNNING
    with store.write() as tx:
        studies.request_cancel(tx, study.id, now_us)
        if not running:
            studies.cancel(tx, study.id, now_us)
    if running:
        who = "whoever runs it" if study.runner is None else runners.shown(study.runner)
        return f"study {study.id} ends within a second: {who} was asked to stop"
    return f"study {study.id} is cancelled; running it again goes on with it"
