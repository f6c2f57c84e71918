"""What the views cost on a grown database, as a person at a SQL prompt meets them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from measure import Case, Goal, Table, interleave, say
from sqlalchemy import insert, text
from store_history import BLOCK, RULES, fill_history, found
from store_lake import PATIENT, SIGNALS, START_US, fill_samples, filling

from daemon.clock import MICROS
from daemon.store.store import Store
from daemon.store.tables import (
    decision_repeats,
    freezes,
    jobs,
    rankings,
    results,
    sample_faults,
    sessions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store_lake import Lake

    from daemon.store.store import Tx

GOAL = Goal(5.0)
REPEAT_EVERY = 20
"""One decision in so many was come to again."""

QUERIES = {
    "current_rules": ("", "rule = 'rule_07'"),
    "decision_log": ("", "order by seq desc", "rule = 'rule_07' order by seq desc"),
    "change_effects": (
        "",
        "order by change_id desc",
        "rule = 'rule_07' order by change_id desc",
        "change_id = 4711",
    ),
    "rule_timeline": ("", "order by seq desc", "rule = 'rule_07' order by seq desc"),
    "leaderboard": (
        "",
        "session_id = 7 order by rank",
        "session_id = 7 and max_drawdown_pct <= 15 and total_trades >= 5 order by rank",
    ),
    "signal_health": ("", "signal = 'signal_017'", "state <> 'ok'"),
}
"""What is asked of every view; the first, in natural order, is what the goal was set for."""


@dataclass(frozen=True)
class Volume:
    """How much the database holds."""

    decisions: int
    sessions: int
    jobs: int
    samples: int
    signals: int

    def __str__(self) -> str:
        return (
            f"{self.decisions:,} decisions, {self.decisions // 5:,} changes,"
            f" {self.sessions * self.jobs:,} results,"
            f" {self.samples:,} samples of {self.signals} signals"
        )


FULL = Volume(decisions=100_000, sessions=20, jobs=2_500, samples=1_000_000, signals=50)
QUICK = Volume(decisions=5_000, sessions=20, jobs=250, samples=100_000, signals=50)


def measure_views(lake: Lake, *, quick: bool) -> Table:
    """Ask every view for twenty rows."""
    volume = QUICK if quick else FULL
    say(f"views: filling {lake.name} with {volume}")
    url = lake.empty()
    with filling(url) as store:
        _fill(store, volume)
    table = Table(
        f"Twenty rows of every view, {lake.name}: {volume}",
        ("view", "rows", "p95 ms", "median ms"),
    )
    say(f"views: asking {lake.name}")
    with Store.open(url, PATIENT) as store:
        cases = [
            Case(_query(view, part), _ask(store, _query(view, part)))
            for view, parts in QUERIES.items()
            for part in parts
        ]
        timings = interleave(cases, 20 if quick else 40, warm_up=3)
        rows = {case.name: len(_ask(store, case.name)()) for case in cases}
    for query, timing in timings.items():
        name = query.removeprefix("select * from ").removesuffix(" limit 20")
        table.add(name, rows[query], timing.wall_at(0.95), figure=timing.wall, goal=GOAL)
    lake.drop(url)
    return table


def _query(view: str, part: str) -> str:
    where = part if not part or part.startswith("order") else f"where {part}"
    return " ".join(["select * from", view, *filter(None, [where]), "limit 20"])


class _ask:  # noqa: N801 - called like a function
    """Run a query in a reader's snapshot."""

    def __init__(self, store: Store, query: str) -> None:
        self.store, self.query = store, text(query)

    def __call__(self, _: object = None) -> list[Any]:
        with self.store.read() as view:
            return list(view.execute(self.query).all())


# ── filling ──────────────────────────────────────────────────────────────────
def _fill(store: Store, volume: Volume) -> None:
    found(store)
    fill_history(store, 0, volume.decisions)
    more = (f"signal_{number:03}" for number in range(len(SIGNALS), volume.signals))
    end_us = fill_samples(store, volume.samples, (*SIGNALS, *more))
    with store.write() as tx:
        _fill_around(tx, volume, end_us)
        for session in range(1, volume.sessions + 1):
            _fill_session(tx, session, volume.jobs)


def _fill_around(tx: Tx, volume: Volume, end_us: int) -> None:
    tx.execute(
        insert(decision_repeats),
        [
            {"seq": seq, "n": 3, "last_at_us": end_us}
            for seq in range(1, volume.decisions, REPEAT_EVERY)
        ],
    )
    tx.execute(
        insert(freezes),
        [
            {
                "rule": rule,
                "starts_at_us": START_US,
                "ends_at_us": START_US + number * MICROS,
                "reason": "a release",
                "owner": "operator",
                "created_at_us": START_US,
            }
            for number, rule in enumerate(RULES * 10, 1)
        ],
    )
    minute = end_us - end_us % (60 * MICROS)
    tx.execute(
        insert(sample_faults),
        [
            {
                "signal_id": signal,
                "bucket_us": minute - back * 60 * MICROS,
                "fault": "duplicate",
                "n": 1,
            }
            for signal in range(1, volume.signals + 1)
            for back in range(1_000)
        ],
    )


def _fill_session(tx: Tx, session: int, count: int) -> None:
    tx.execute(
        insert(sessions).values(
            name=f"session {session}",
            state="done",
            spec={"jobs": count},
            data_file="data.csv",
            jobs_total=count,
            jobs_done=count,
            created_at_us=START_US,
        )
    )
    for first in range(0, count, BLOCK):
        numbers = range(first, min(first + BLOCK, count))
        tx.execute(insert(results), [_result(session, number) for number in numbers])
        tx.execute(insert(jobs), [_job(session, number) for number in numbers])
        tx.execute(insert(rankings), list(_ranks(session, numbers, count)))


def _key(session: int, number: int) -> str:
    # Content keys are hashes: their order has nothing to do with that of the jobs.
    return f"{(session * 1_000_003 + number) * 2_654_435_761 % 2**64:064x}"


def _params(number: int) -> dict[str, Any]:
    return {"spread_bps": number % 50, "risk_max": number / 100, "window_s": 60 + number % 7}


def _result(session: int, number: int) -> dict[str, Any]:
    return {
        "key": _key(session, number),
        "at_us": START_US,
        "engine_version": "1",
        "data_digest": "d" * 64,
        "params": _params(number),
        "status": "success",
        "total_trades": number % 40,
        "realized_pnl_usd": 1_000.0 - number,
        "max_drawdown_pct": number % 30 / 1.0,
        "win_rate": 0.5,
        "metrics": {"sharpe": 1.5, "calmar": 0.7},
    }


def _job(session: int, number: int) -> dict[str, Any]:
    return {
        "session_id": session,
        "n": number + 1,
        "job_id": f"job_{number + 1:06}",
        "state": "done",
        "params": _params(number),
        "output_json": json.dumps({"pnl": number}),
        "result_key": _key(session, number),
    }


def _ranks(session: int, numbers: range, count: int) -> Iterator[dict[str, Any]]:
    for number in numbers:
        yield {
            "session_id": session,
            "rank": (number * 7 % count) + 1,
            "n": number + 1,
            "at_us": START_US,
        }
