"""Studies: what was asked, how far each is, who works on it, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select, text, update

from daemon.store import upsert
from daemon.store.sessions import CANCELLED, DONE, FAILED, PLANNED, RUNNING, STOPPED
from daemon.store.tables import studies, study_folds, study_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement

    from daemon.store.store import Tx

__all__ = ["CANCELLED", "DONE", "FAILED", "PLANNED", "RUNNING", "STOPPED"]

TRAIN, TEST, PROBE = "train", "test", "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStudy:
    """What a study is asked, on which data, by which engine."""

    identity: str
    name: str
    spec: Mapping[str, Any]
    data_digest: str
    data_rows: int
    engine_version: str
    sampler: str
    seed: int
    folds: int
    trials_total: int | None
    """None where only time limits them."""
    created_at_us: int
    state: str = PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study as it stands."""

    id: int
    name: str
    identity: str
    state: str
    spec: Mapping[str, Any]
    data_digest: str
    data_rows: int
    engine_version: str
    sampler: str
    seed: int
    folds: int
    trials_total: int | None
    trials_done: int
    trials_failed: int
    trials_pruned: int
    trials_known: int
    best_value: float | None
    """In sample, of the fold that was searched last."""
    best_n: int | None
    declared: int | None
    """Whether its winner may be followed, as 1 or 0; None until it is judged."""
    winner_n: int | None
    created_at_us: int
    started_at_us: int | None
    finished_at_us: int | None
    judged_at_us: int | None
    spent_s: float
    trials_per_s: float | None
    eta_at_us: int | None
    heartbeat_at_us: int | None
    runner: str | None
    cancel_requested_at_us: int | None
    note: str | None

    @property
    def trials_finished(self) -> int:
        """How many trials are done, pruned or failed."""
        return self.trials_done + self.trials_failed + self.trials_pruned


_READ = select(*(studies.c[item.name] for item in fields(Study)))


# ── finding ──────────────────────────────────────────────────────────────────
def found_or_made(tx: Tx, new: NewStudy) -> tuple[Study, bool]:
    """Find the study of this identity, or make it; says whether it is new."""
    made = upsert.insert(tx, studies).values(asdict(new))
    made = made.on_conflict_do_nothing(index_elements=["identity"])
    is_new = tx.execute(made.returning(studies.c.id)).first() is not None
    found = of_identity(tx, new.identity)
    assert found is not None  # noqa: S101 - it was there or was made
    return found, is_new


def get(tx: Tx, study_id: int) -> Study | None:
    """Read a study."""
    return _one(tx, studies.c.id == study_id)


def of_identity(tx: Tx, identity: str) -> Study | None:
    """Read the study of an identity."""
    return _one(tx, studies.c.identity == identity)


def newest(tx: Tx, name: str | None = None) -> Study | None:
    """Read the newest study, of a name or of all."""
    query = _READ.order_by(studies.c.id.desc()).limit(1)
    if name is not None:
        query = query.where(studies.c.name == name)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Study(**row)


def last_finished(tx: Tx, name: str) -> Study | None:
    """Read the study of a name that was finished last."""
    query = _READ.where(studies.c.name == name, studies.c.state == DONE)
    ordered = query.order_by(studies.c.finished_at_us.desc(), studies.c.id.desc()).limit(1)
    row = tx.execute(ordered).mappings().one_or_none()
    return None if row is None else Study(**row)


def listed(tx: Tx, limit: int) -> list[Study]:
    """Read the newest studies."""
    query = _READ.order_by(studies.c.id.desc()).limit(limit)
    return [Study(**row) for row in tx.execute(query).mappings()]


def names(tx: Tx) -> list[str]:
    """Name the studies there are."""
    return list(tx.execute(select(studies.c.name).distinct().order_by(studies.c.name)).scalars())


def report(tx: Tx, study_id: int) -> dict[str, Any] | None:
    """Read what was found of a study when it was judged."""
    found: dict[str, Any] | None = tx.execute(
        select(studies.c.report).where(studies.c.id == study_id)
    ).scalar_one_or_none()
    return found


def _one(tx: Tx, condition: ColumnElement[bool]) -> Study | None:
    row = tx.execute(_READ.where(condition)).mappings().one_or_none()
    return None if row is None else Study(**row)


def ask(tx: Tx, study_id: int, spec: Mapping[str, Any], trials_total: int | None) -> None:
    """Have a study go on as it is asked now: its budget may have changed, and what is shown."""
    mine = update(studies).where(studies.c.id == study_id)
    tx.execute(mine.values(spec=dict(spec), trials_total=trials_total))


# ── folds ────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    """A fold as it stands."""

    fold: int
    trials: int
    """How many of its trials are finished."""
    chosen_n: int | None
    value: float | None
    """What the choice brought in sample."""
    oos_value: float | None
    """What it brought on rows that nothing was chosen on."""
    ended: str | None
    """Why no more is tried in it; None while it is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """Which rows of which data a part of a fold has; first and last one, from 0."""

    fold: int
    symbol: str
    part: str
    first_row: int
    last_row: int
    digest: str
    data_digest: str
    data_file: str


def lay_out(tx: Tx, study_id: int, folds: int, parts: Sequence[PartRow]) -> None:
    """Write down the folds of a study and the rows of each, unless they are there."""
    numbered = [{"study_id": study_id, "fold": fold} for fold in range(1, folds + 1)]
    tx.execute(upsert.insert(tx, study_folds).values(numbered).on_conflict_do_nothing())
    rows = [asdict(part) | {"study_id": study_id} for part in parts]
    tx.execute(upsert.insert(tx, study_parts).on_conflict_do_nothing(), rows)


def folds(tx: Tx, study_id: int) -> list[FoldRow]:
    """Read the folds of a study, in order."""
    columns = (study_folds.c[item.name] for item in fields(FoldRow))
    query = select(*columns).where(study_folds.c.study_id == study_id)
    return [FoldRow(**row) for row in tx.execute(query.order_by(study_folds.c.fold)).mappings()]


def parts(tx: Tx, study_id: int) -> list[PartRow]:
    """Read which rows the folds of a study have, in order."""
    columns = (study_parts.c[item.name] for item in fields(PartRow))
    query = select(*columns).where(study_parts.c.study_id == study_id)
    order = (study_parts.c.fold, study_parts.c.symbol, study_parts.c.part)
    return [PartRow(**row) for row in tx.execute(query.order_by(*order)).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a fold came to: its choice, in sample and out of sample."""

    chosen_n: int | None
    value: float | None
    oos_value: float | None


def end_fold(tx: Tx, study_id: int, fold: int, why: str, at_us: int) -> None:
    """Say that no more is tried in a fold."""
    mine = update(study_folds).where(study_folds.c.study_id == study_id, study_folds.c.fold == fold)
    tx.execute(mine.values(ended=why, ended_at_us=at_us))


def reopen_fold(tx: Tx, study_id: int, fold: int) -> None:
    """Say that a fold is searched again: there is more to be spent."""
    mine = update(study_folds).where(study_folds.c.study_id == study_id, study_folds.c.fold == fold)
    tx.execute(mine.values(ended=None, ended_at_us=None))


def forget_judgement(tx: Tx, study_id: int) -> None:
    """Take back what was made of a study: it goes on."""
    mine = update(studies).where(studies.c.id == study_id)
    tx.execute(mine.values(declared=None, judged_at_us=None, winner_n=None))


def choose(tx: Tx, study_id: int, fold: int, choice: Choice) -> None:
    """Write down what a fold came to."""
    mine = update(study_folds).where(study_folds.c.study_id == study_id, study_folds.c.fold == fold)
    tx.execute(mine.values(**asdict(choice)))


# ── who works on it ──────────────────────────────────────────────────────────
def take(tx: Tx, study_id: int, runner: str, at_us: int, instead_of: str | None = None) -> bool:
    """Take a study on: one that nobody works on, or one whose runner is gone; False if not."""
    free = [studies.c.runner.is_(None), studies.c.runner == runner]
    if instead_of is not None:
        free.append(studies.c.runner == instead_of)
    mine = update(studies).where(studies.c.id == study_id, or_(*free))
    taken = mine.values(
        state=RUNNING,
        runner=runner,
        heartbeat_at_us=at_us,
        started_at_us=func.coalesce(studies.c.started_at_us, at_us),
        finished_at_us=None,
        cancel_requested_at_us=None,
        trials_per_s=None,
        note=None,
    )
    return tx.execute(taken).rowcount == 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What a runner hears when it says that it lives."""

    mine: bool
    """Nobody has taken its study from it."""
    cancelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a runner says when it says that it lives."""

    at_us: int
    spent_s: float
    """Since it last said so."""
    trials_per_s: float | None = None
    eta_at_us: int | None = None


def beat(tx: Tx, study_id: int, runner: str, said: Beat) -> Standing:
    """Say that a runner lives, and how fast it goes."""
    statement = update(studies).where(studies.c.id == study_id, studies.c.runner == runner)
    alive = statement.values(
        heartbeat_at_us=said.at_us,
        spent_s=studies.c.spent_s + said.spent_s,
        trials_per_s=said.trials_per_s,
        eta_at_us=said.eta_at_us,
    ).returning(studies.c.cancel_requested_at_us)
    row = tx.execute(alive).first()
    return Standing(mine=row is not None, cancelled=row is not None and row[0] is not None)


def standing(tx: Tx, study_id: int, runner: str) -> Standing:
    """Tell whether a study is still this runner's, and whether it is to end."""
    columns = (studies.c.runner, studies.c.cancel_requested_at_us)
    row = tx.execute(select(*columns).where(studies.c.id == study_id)).one()
    return Standing(mine=row[0] == runner, cancelled=row[1] is not None)


def settle(tx: Tx, study_id: int, runner: str, ending: tuple[str, str], at_us: int) -> bool:
    """Let go of a study that is not finished, and say why; it can be gone on with."""
    state, note = ending
    mine = update(studies).where(studies.c.id == study_id, studies.c.runner == runner)
    left = {"state": state, "note": note, "runner": None, "eta_at_us": None, "trials_per_s": None}
    ended = at_us if state == CANCELLED else None
    return tx.execute(mine.values(left | {"finished_at_us": ended})).rowcount == 1


def request_cancel(tx: Tx, study_id: int, at_us: int) -> None:
    """Ask whoever works on a study to end."""
    mine = update(studies).where(studies.c.id == study_id)
    tx.execute(mine.values(cancel_requested_at_us=at_us))


def cancel(tx: Tx, study_id: int, at_us: int) -> None:
    """Say that a study which nobody works on is cancelled."""
    mine = update(studies).where(studies.c.id == study_id, studies.c.state != DONE)
    ended = {"state": CANCELLED, "note": "it was cancelled", "finished_at_us": at_us}
    tx.execute(mine.values(ended | {"runner": None, "eta_at_us": None}))


# ── how far it is ────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Trials that are finished."""

    fold: int
    done: int = 0
    failed: int = 0
    pruned: int = 0
    known: int = 0
    best_value: float | None = None
    """The best of the fold by now."""
    best_n: int | None = None


_ADVANCE = text(
    "UPDATE studies SET trials_done = trials_done + :done, trials_failed = trials_failed + :failed,"
    " trials_pruned = trials_pruned + :pruned, trials_known = trials_known + :known,"
    " best_value = CAST(:best_value AS double precision), best_n = :best_n WHERE id = :id"
)
_ADVANCE_FOLD = text(
    "UPDATE study_folds SET trials = trials + :finished WHERE study_id = :id AND fold = :fold"
)


def advance(tx: Tx, study_id: int, step: Step) -> None:
    """Count trials that are finished, as the last thing of a transaction."""
    given = asdict(step) | {"id": study_id}
    finished = step.done + step.failed + step.pruned
    tx.execute(_ADVANCE_FOLD, {"finished": finished, "id": study_id, "fold": given.pop("fold")})
    tx.execute(_ADVANCE, given)


# ── what came of it ──────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was made of a study."""

    declared: bool
    winner_n: int | None
    report: Mapping[str, Any]


def finish(tx: Tx, study_id: int, runner: str, verdict: Verdict | None, at_us: int) -> bool:
    """Say that a study is done, and what was made of it; False if it is not this runner's."""
    done: dict[str, Any] = {
        "state": DONE,
        "finished_at_us": at_us,
        "note": None,
        "runner": None,
        "eta_at_us": None,
        "trials_per_s": None,
    }
    if verdict is not None:
        done |= {
            "declared": int(verdict.declared),
            "winner_n": verdict.winner_n,
            "report": dict(verdict.report),
            "judged_at_us": at_us,
        }
    mine = update(studies).where(studies.c.id == study_id, studies.c.runner == runner)
    return tx.execute(mine.values(done)).rowcount == 1
