"""When a study should run again: every reason is looked at, written down, and decided on.

Asked by a schedule before it runs a study. Whatever the answer is, the rows of
`study_triggers` say what was seen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.clock import iso
from daemon.market.metrics import ENGINE_VERSION
from daemon.search.studies import triggers as reasons
from daemon.search.studies.triggers import (
    ASKED,
    CHANGES,
    DECAY,
    DRIFT,
    FIRST,
    UNFINISHED,
    Decision,
    Past,
    Trigger,
    aged,
    decide,
    untold,
)
from daemon.services.asking.inquiry_rows import Table
from daemon.services.studying import comparing, hearing
from daemon.services.sweeping.patience import patiently
from daemon.services.sweeping.wanted import storable
from daemon.store import studies, triggers_log
from daemon.store.studies import DONE, PLANNED, RUNNING, STOPPED
from daemon.store.triggers_log import RESTING, SAID, NewTrigger
from daemon.store.types import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.search.studies.triggers import Rules
    from daemon.services.studying.comparing import Promise
    from daemon.services.studying.wanted import StudyTools, StudyWanted
    from daemon.store.store import Store, Tx
    from daemon.store.studies import Study

BEGUN = frozenset({PLANNED, RUNNING, STOPPED})
"""Studies that were begun and should be gone on with; one that failed is not begun by itself."""

LOOKED_AT = 500
"""The newest studies, of which those of the name are looked at."""

REMEMBERED = 3_000
"""Rows of the past that are looked at: those of some years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Whether a study should run now."""

    fired: bool
    said: str
    study_id: int | None
    """The study that was looked at: the last finished one, or one to go on with."""
    triggers: tuple[Trigger, ...]
    ids: tuple[int, ...]
    """The rows that say so, a row a trigger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What is on record of a study's name."""

    finished: Study | None
    begun: Study | None
    """A newer one that was begun and is not finished."""
    promise: Promise | None
    past: tuple[Past, ...]


# ── asking ───────────────────────────────────────────────────────────────────
def due(tools: StudyTools, wanted: StudyWanted) -> Due:
    """Say whether a study should run now, and write down why.

    Raises:
        InputError: a file of quotes is not there, or cannot be read.
    """
    now_us = tools.clock.now_us()
    with tools.store.read() as view:
        before = _before(view, wanted)
    finished, rules = before.finished, wanted.retrain
    since_days = 0.0
    if finished is None or before.begun is not None:
        found = [_unfinished(before)]
    elif rules is None:
        said = f"study {finished.id} is finished, and `retrain` is none"
        return Due(fired=False, said=said, study_id=finished.id, triggers=(), ids=())
    else:
        finished_us = _finished_us(finished)
        since_days = max(now_us - finished_us, 0) / reasons.DAY_US
        found = _reasons(tools, wanted, rules, before, now_us)
    decision = decide(rules or reasons.Rules(), found, before.past, since_days)
    about = before.begun or finished
    return _recorded(tools, wanted.name, about, found, decision)


def started(tools: StudyTools, due: Due, study_id: int) -> None:
    """Note which study was begun for what fired."""
    pairs = zip(due.triggers, due.ids, strict=True)
    ids = [row for trigger, row in pairs if trigger.fired]
    if ids:
        patiently(tools, lambda tx: triggers_log.started(tx, ids, study_id))


def _before(view: Tx, wanted: StudyWanted) -> _Before:
    same = _asked_alike(view, wanted)
    done = [study for study in same if study.state == DONE]
    finished = max(done, key=_finished_us, default=None)
    if finished is None:
        finished = studies.last_finished(view, wanted.name)
    begun = same[0] if same and same[0].state in BEGUN else None
    rows = triggers_log.newest(view, wanted.name, REMEMBERED, CHANGES)
    return _Before(
        finished=finished,
        begun=begun,
        promise=None if finished is None else comparing.promised(view, finished),
        past=tuple(
            Past(
                kind=row.kind,
                fired=bool(row.fired),
                ratio=row.evidence.get("ratio"),
                started=row.started_study_id is not None,
            )
            for row in reversed(rows)
        ),
    )


def _asked_alike(view: Tx, wanted: StudyWanted) -> list[Study]:
    """Give the studies of this name that asked the same, the newest first.

    Others of the name, run with another sampler or seed, are no answer to it.
    """
    asked = question(wanted)
    return [
        study
        for study in studies.listed(view, LOOKED_AT)
        if study.name == wanted.name and study.spec.get("question") == asked
    ]


def _finished_us(study: Study) -> int:
    return study.finished_at_us or study.created_at_us


# ── looking ──────────────────────────────────────────────────────────────────
def _unfinished(before: _Before) -> Trigger:
    begun = before.begun
    if begun is None:
        return Trigger(FIRST, fired=True, said="no study of this name has finished")
    said = f"study {begun.id} was begun and is not finished"
    return Trigger(UNFINISHED, fired=True, said=said, evidence={"state": begun.state})


def _reasons(
    tools: StudyTools, wanted: StudyWanted, rules: Rules, before: _Before, now_us: int
) -> list[Trigger]:
    """Look at every reason there may be."""
    finished = before.finished
    assert finished is not None  # noqa: S101 - who asks has looked
    found = [aged(rules, _finished_us(finished), now_us)]
    if finished.spec.get("question") != question(wanted):
        said = f"study {finished.id} was asked something else, or by another engine"
        return [Trigger(ASKED, fired=True, said=said), *found]
    found += _of_quotes(tools, wanted, rules, before)
    if rules.regime:
        with tools.store.read(patient=True) as view:
            drawn = _drawing(finished, reasons.REGIME)
            found.append(hearing.regime(view, rules, _finished_us(finished), now_us, drawn))
    return found


def _of_quotes(
    tools: StudyTools, wanted: StudyWanted, rules: Rules, before: _Before
) -> list[Trigger]:
    """Look at the quotes: what the study saw, and what came since."""
    finished, promise = before.finished, before.promise
    assert finished is not None  # noqa: S101 - as above
    assert promise is not None  # noqa: S101 - read with it
    kinds = [kind for kind in (DECAY, DRIFT) if rules.wants(kind)]
    sides = comparing.compared(tools.bank, wanted, finished)
    if sides.replaced:
        return [comparing.replacement(sides)]
    if sides.why:
        return [untold(kind, sides.why) for kind in kinds]
    if not kinds:
        return []
    days = comparing.Comparison(wanted, sides.sides, rules)
    found = {
        DECAY: lambda: days.decay(promise, _drawing(finished, DECAY)),
        DRIFT: lambda: days.drift(_drawing(finished, DRIFT)),
    }
    return [found[kind]() for kind in kinds]


def question(wanted: StudyWanted) -> str:
    """Name what a study is asked: whatever changes what is proposed or how it is judged."""
    told = f"{wanted.name}\n{ENGINE_VERSION}\n{canonical(wanted.question())}"
    return hashlib.sha256(told.encode()).hexdigest()


def _drawing(study: Study, kind: str) -> np.random.Generator:
    """Draw alike whenever somebody looks: what is unusual is a matter of the study alone."""
    return np.random.default_rng([int(study.identity[:12], 16), CHANGES.index(kind)])


# ── writing down ─────────────────────────────────────────────────────────────
def _recorded(
    tools: StudyTools, name: str, about: Study | None, found: Sequence[Trigger], decision: Decision
) -> Due:
    """Write down what was seen."""
    now_us, study_id = tools.clock.now_us(), None if about is None else about.id
    rows = [
        NewTrigger(
            name=name,
            at_us=now_us,
            kind=trigger.kind,
            fired=int(trigger.fired),
            evidence=_evidence(trigger, decision),
            study_id=study_id,
        )
        for trigger in found
    ]
    ids = patiently(tools, lambda tx: triggers_log.record(tx, rows))
    return Due(
        fired=decision.fired,
        said=decision.said,
        study_id=study_id,
        triggers=tuple(found),
        ids=tuple(ids),
    )


def _evidence(trigger: Trigger, decision: Decision) -> dict[str, Any]:
    told = {**trigger.evidence, SAID: trigger.said}
    if trigger.fired and decision.rest_days > 0:
        told[RESTING] = decision.rest_days
    kept: dict[str, Any] = storable(told)
    return kept


# ── reading ──────────────────────────────────────────────────────────────────
COLUMNS = ("trigger", "at", "name", "kind", "fired", "study", "started", "said", "evidence")
BRIEF = ("at", "name", "kind", "fired", "study", "started", "said")


def listed(store: Store, name: str | None, limit: int) -> Table:
    """List what was seen, the newest first."""
    with store.read() as view:
        found = triggers_log.newest(view, name, limit + 1)
    rows: list[tuple[Any, ...]] = [
        (
            row.id,
            iso(row.at_us),
            row.name,
            row.kind,
            bool(row.fired),
            row.study_id,
            row.started_study_id,
            row.evidence.get(SAID),
            {key: value for key, value in row.evidence.items() if key != SAID},
        )
        for row in found[:limit]
    ]
    return Table("triggers", COLUMNS, rows, BRIEF, len(found) > limit)
