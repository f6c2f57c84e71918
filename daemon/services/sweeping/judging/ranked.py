"""Ranking a session: the plain order, and how much of it would hold if a little were different.

What is found is written down: the best as `rankings`, which the view `leaderboard`
shows, and everything that is said of the session in its `report`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.clock import MICROS
from daemon.errors import DaemonError, Exit, InputError
from daemon.market.params import Combinations, Params
from daemon.search.grid import Grid
from daemon.search.ranking import ERROR, EXAMPLES, Best, Filters, natural_order
from daemon.search.report import Report, examine
from daemon.search.trials import Trials
from daemon.services.sweeping import asking, documents, reading
from daemon.services.sweeping.judging import elevated
from daemon.services.sweeping.judging.behind import behind
from daemon.services.sweeping.judging.summary import Entry, LeftOut, Summary
from daemon.services.sweeping.patience import patiently
from daemon.services.sweeping.wanted import RANKED_MAX, SHOWN, storable
from daemon.store import results, sessions
from daemon.store.sessions import BLOCKS, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.market.quotes import Quotes
    from daemon.search.plan import Plan
    from daemon.search.ranking import Ranked
    from daemon.services.sweeping.fresh import Fresh
    from daemon.services.sweeping.reading import Checked
    from daemon.services.sweeping.record import Record
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.sessions import Session
    from daemon.store.store import Store

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

ROBUST_MAX = 100
"""So many of the most robust are written down, wherever they stand in the plain order."""


class RankingStopped(DaemonError):  # noqa: N818 - a state
    """It was asked to end before the ranking was."""

    exit_code = Exit.TRY_AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How a session is to be ranked."""

    filters: Filters = field(default_factory=Filters)
    max_results: int = SHOWN
    """How many of the best are shown."""
    fast: bool = False
    """Without what takes time: neighbourhoods, dead axes, and how much is luck."""
    store: bool = True
    """Write it down."""
    kept: int = RANKED_MAX
    """So many of the best are written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What somebody may act on."""

    session: Session
    report: Mapping[str, Any]
    """What is said beside the plain order, as JSON can hold it."""
    robust: Record | None
    """Who is best together with its neighbours."""
    place: Place | None
    """Where that one stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking(Finding):
    """A session, ranked."""

    summary: Summary
    """What the contract says of it, as text and as JSON."""
    winner: Record | None

    def document(self) -> dict[str, Any]:
        """Give all of it as JSON can hold it."""
        session = {"id": self.session.id, "name": self.session.name}
        return {**self.summary.document(), "session": session, "report": dict(self.report)}


def rank_known(
    tools: Tools,
    session: Session,
    asked: Asking,
    quotes: Quotes | None,
    notes: Sequence[str] = (),
    *,
    fresh: Fresh | None = None,
) -> Ranking:
    """Rank a session on quotes that are at hand; without them some things cannot be said.

    Results that are at hand as well, all of them, are not read again.
    """
    known = fresh if fresh is not None and fresh.whole(session) else None
    return _Work(tools, session, asked, known).rank(quotes, notes)


class _Work:
    """One ranking of one session."""

    def __init__(
        self, tools: Tools, session: Session, asked: Asking, fresh: Fresh | None = None
    ) -> None:
        self.tools, self.store = tools, tools.store
        self.session, self.asked, self.fresh = session, asked, fresh
        self.plan = reading.plan_of(session)
        self.began_us = tools.clock.elapsed_us()

    def rank(self, quotes: Quotes | None, notes: Sequence[str]) -> Ranking:
        """Rank it, and write it down."""
        self._go_on()
        ranked, done = self._ranked()
        self._go_on()
        report = None if self.asked.fast else self._examined(ranked, done, quotes)
        self._go_on()
        places = self._places(ranked, report)
        told = self._told(ranked, report, notes)
        if self.asked.store:
            self._write(places, told)
        best = report.robust.best if report is not None and report.robust is not None else None
        shown = [index + 1 for index in ranked.places[: max(1, self.asked.max_results)].tolist()]
        robust = [] if best is None else [best + 1]
        records = reading.chosen(self.store, self.session, [*shown, *robust])
        return Ranking(
            session=self.session,
            summary=self._summary(ranked, records),
            report=told,
            winner=records[shown[0]] if shown else None,
            robust=records[robust[0]] if robust else None,
            place=next((place for place in places if [place.n] == robust), None),
        )

    def _go_on(self) -> None:
        """Stop here, if somebody wants it to.

        Raises:
            RankingStopped: somebody does.
        """
        why = self.tools.stop()
        if why is not None:
            number = self.session.id
            raise RankingStopped(
                f"the jobs of session {number} are done, and it was asked to end ({why}) before"
                f" they were ranked: daemon session rank {number}"
            )

    # ── the plain order ──────────────────────────────────────────────────────
    def _ranked(self) -> tuple[Ranked, Bools]:
        """Rank all jobs that are finished; places are those among all jobs of the session."""
        wanted = max(1, self.asked.max_results)
        limit = wanted if self.asked.fast and not self.asked.store else max(wanted, self.asked.kept)
        best, seen = Best(limit, self.asked.filters), [np.zeros(0, np.int64)]
        done = np.zeros(self.session.jobs_total, np.bool_)
        order = self._order()
        for part in self._checked():
            numbers = part.numbers if order is None else order[part.numbers - 1]
            best.feed(part.columns, numbers, part.done, part.spans)
            seen.append(part.numbers)
            done[part.numbers - 1] = part.done
        found = best.ranked()
        examples = found.examples
        if order is not None:
            by_order = np.argsort(order)
            examples = {
                why: [int(by_order[place]) + 1 for place in places]
                for why, places in examples.items()
            }
        numbers = np.concatenate(seen)
        return replace(found, places=numbers[found.places] - 1, examples=examples), done

    def _checked(self) -> Iterable[Checked]:
        """Give what jobs are ranked by, part by part."""
        if self.fresh is not None:
            return [self.fresh.checked()]
        return reading.checked(self.store, self.session)

    def _order(self) -> Ints | None:
        """Give the places of jobs in the order of their names; None where that is their number."""
        if self.plan is not None:
            return None
        names = [f"\uffff{n}" for n in range(1, self.session.jobs_total + 1)]
        for part in reading.parts(self.store, self.session):
            for n, job_id in zip(part.numbers, part.job_ids, strict=True):
                names[n - 1] = job_id
        return natural_order(names)

    # ── what else is said ────────────────────────────────────────────────────
    def _examined(self, ranked: Ranked, done: Bools, quotes: Quotes | None) -> Report:
        plan, session = self.plan, self.session
        with self.store.read(patient=True) as view:
            elsewhere = sessions.elsewhere(view, session.id, session.data_digest or "")
        grid = None if plan is None else Grid.of(plan.space.axes, session.jobs_total)
        trials = Trials(
            columns=reading.Metrics(self.store, session)
            if self.fresh is None
            else self.fresh.columns,
            done=done,
            grid=grid,
            quotes=quotes,
            draw=self._draw(plan),
            elsewhere=elsewhere,
        )
        return examine(trials, ranked, self.asked.filters)

    def _draw(self, plan: Plan | None) -> Callable[[Ints], Combinations]:
        if plan is not None:
            return lambda indices: plan.draw(indices).combinations

        def stored(indices: Ints) -> Combinations:
            numbers = (indices + 1).tolist()
            found = reading.chosen(self.store, self.session, numbers)
            return Combinations.of([Params(**found[n].params) for n in numbers])

        return stored

    def _places(self, ranked: Ranked, report: Report | None) -> list[Place]:
        """Give the places that are written down: the best, and the most robust."""
        found = None if report is None else report.robust
        rows = {index: row for row, index in enumerate(ranked.places.tolist(), 1)}
        shared = dict(zip(rows, ranked.ranks.tolist(), strict=True))
        tied = dict(zip(rows, ranked.tied.tolist(), strict=True))
        if found is not None:
            most = np.flatnonzero((found.rank > 0) & (found.rank <= ROBUST_MAX))[:ROBUST_MAX]
            others = np.setdiff1d(most, ranked.places)
            if len(others):
                filters, jobs = self.asked.filters, self.session.jobs_total
                rows |= behind(self._checked(), filters, jobs, others, best=len(ranked))
        return [
            Place(
                rank=row,
                n=index + 1,
                tied_with=shared[index] if tied.get(index) else None,
                robust_rank=None if found is None else int(found.rank[index]) or None,
                robust_score=_score(report, index),
            )
            for index, row in rows.items()
        ]

    # ── telling it ───────────────────────────────────────────────────────────
    def _told(self, ranked: Ranked, report: Report | None, notes: Sequence[str]) -> dict[str, Any]:
        """Put together what is kept of it beside the places."""
        named = self._ids(ranked)
        told = {} if report is None else report.document()
        session = self.session
        return {
            "filters": self.asked.filters.document(),
            "jobs": session.jobs_total,
            "succeeded": session.jobs_done,
            "failed": session.jobs_failed,
            "left": session.jobs_left,
            "ranked": ranked.eligible,
            "left_out": [
                {"reason": why, "jobs": count, "examples": named[why]}
                for why, count in ranked.excluded.most_common()
            ],
            "notes": list(notes),
            "seconds": round((self.tools.clock.elapsed_us() - self.began_us) / MICROS, 3),
            **{name: storable(value) for name, value in told.items()},
        }

    def _ids(self, ranked: Ranked) -> dict[str, list[str]]:
        """Name the jobs that stand as examples for who was left out."""
        if self.plan is not None:
            named = self.plan.job_id
            return {why: [named(n) for n in ns] for why, ns in ranked.examples.items()}
        numbers = [n for ns in ranked.examples.values() for n in ns]
        found = reading.chosen(self.store, self.session, numbers)
        return {why: [found[n].job_id for n in ns] for why, ns in ranked.examples.items()}

    def _summary(self, ranked: Ranked, records: Mapping[int, Record]) -> Summary:
        session, tag = self.session, reading.tag_of(self.session)
        shown = ranked.places[: self.asked.max_results].tolist()
        named = self._ids(ranked)
        return Summary(
            total_jobs=session.jobs_total,
            success_jobs=session.jobs_done,
            error_jobs=session.jobs_failed,
            filters=self.asked.filters,
            top=tuple(
                Entry(
                    job_id=records[index + 1].job_id,
                    tag=tag,
                    config=_config(session, records[index + 1], tag),
                    metrics=_metrics(records[index + 1]),
                    rank=int(ranked.ranks[place]),
                    tied=bool(ranked.tied[place]),
                )
                for place, index in enumerate(shown)
            ),
            shown=reading.grids_of(session),
            left_out=(
                *self._errors(),
                *(
                    LeftOut(reason=why, jobs=count, examples=tuple(named[why]))
                    for why, count in ranked.excluded.most_common()
                    if why != ERROR
                ),
            ),
        )

    def _errors(self) -> list[LeftOut]:
        """Name the first jobs that failed, each with its reason."""
        session = self.session
        if not session.jobs_failed:
            return []
        with self.store.read() as view:
            first = results.failures(view, session.id, 1, session.jobs_total, EXAMPLES)
        told = tuple(f"{row.job_id}: {row.error}" for row in first)
        return [LeftOut(reason=ERROR, jobs=session.jobs_failed, examples=told)]

    def _write(self, places: Sequence[Place], told: Mapping[str, Any]) -> None:
        if self.session.layout == BLOCKS:
            elevated.elevate(self.tools, self.session, [place.n for place in places])
        now_us = self.tools.clock.now_us()
        patiently(
            self.tools,
            lambda tx: sessions.put_ranking(tx, self.session.id, places, told, now_us),
        )


def _score(report: Report | None, index: int) -> float | None:
    if report is None or report.robust is None:
        return None
    score = float(report.robust.score[index])
    return score if math.isfinite(score) else None


def _config(session: Session, record: Record, tag: str | None) -> dict[str, Any]:
    return {"data_file": session.data_file, **record.params, "tag": tag}


def _metrics(record: Record) -> dict[str, Any]:
    metrics = documents.success({}, record.metrics or {}, record.runtime_s, {})["metrics"]
    return dict(metrics)


def remembered(store: Store, session: Session) -> Finding | None:
    """Give what was found when a session was ranked; None if it was not."""
    with store.read() as view:
        report = sessions.report(view, session.id)
        number = ((report or {}).get("robust") or {}).get("n")
        place = None if number is None else sessions.place_of(view, session.id, number)
    if report is None:
        return None
    robust = None if number is None else reading.chosen(store, session, [number]).get(number)
    return Finding(session=session, report=report, robust=robust, place=place)


# ── on demand ────────────────────────────────────────────────────────────────
def rank_session(tools: Tools, ref: str, asked: Asking) -> Ranking:
    """Rank a session that was run before.

    Raises:
        UnknownSession: there is none of this number or name.
        InputError: none of its jobs is finished.
    """
    session = asking.find(tools.store, ref)
    if not session.jobs_done + session.jobs_failed:
        raise InputError(
            f"session {session.id} has no results yet",
            hint=f"run it, or see how far it is: daemon session show {session.id}",
        )
    quotes, notes = (None, []) if asked.fast else _quotes(tools, session)
    return rank_known(tools, session, asked, quotes, notes)


def _quotes(tools: Tools, session: Session) -> tuple[Quotes | None, list[str]]:
    """Find the quotes that a session was run on; None, and why, where they are not at hand."""
    kept = tools.bank.by_digest(session.data_digest or "")
    if kept is not None:
        return kept, []
    missing = "how far the winner may be luck is not said, nor where thresholds may move"
    try:
        loaded = tools.bank.load(Path(session.data_file), skip_bad_rows=True)
    except DaemonError as error:
        return None, [f"{missing}: {error.message}"]
    if loaded.quotes.digest != session.data_digest:
        return None, [f"{missing}: {session.data_file} has other quotes than it had then"]
    return loaded.quotes, []
