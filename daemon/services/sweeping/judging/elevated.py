"""Jobs of a session that stands in blocks, written as rows too: those that somebody looks at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from daemon.market.metrics import ENGINE_VERSION
from daemon.market.params import Params
from daemon.services.sweeping import reading, rows
from daemon.services.sweeping.keys import result_keys
from daemon.services.sweeping.patience import patiently
from daemon.store import results
from daemon.store.results import COLUMNS, DONE, OTHERS, NewJobs, NewResults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.services.sweeping.record import Record
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.sessions import Session
    from daemon.store.store import Tx


def elevate(tools: Tools, session: Session, numbers: Sequence[int]) -> None:
    """Write jobs as rows, unless they are; nobody counts them a second time."""
    with tools.store.read() as view:
        there = results.chosen(view, session.id, numbers)
    left = [n for n in numbers if n not in there]
    found = reading.chosen(tools.store, session, left)
    records = [found[n] for n in sorted(found)]
    if not records:
        return
    new, jobs = _rows(tools, session, records)

    def write(tx: Tx) -> None:
        results.add(tx, new)
        results.add_jobs(tx, jobs)

    patiently(tools, write)


def _rows(tools: Tools, session: Session, records: Sequence[Record]) -> tuple[NewResults, NewJobs]:
    grids = reading.grids_of(session)
    texts = [Params(**record.params).canonical() for record in records]
    metrics = [record.metrics or {} for record in records]
    new = NewResults(
        at_us=tools.clock.now_us(),
        engine_version=session.engine_version or ENGINE_VERSION,
        data_digest=session.data_digest or "",
        keys=result_keys(session.data_digest or "", texts),
        params=texts,
        figures=[[one.get(name) for one in metrics] for name in COLUMNS],
        metrics=[json.dumps({name: one.get(name) for name in OTHERS}) for one in metrics],
        runtime_s=[record.runtime_s for record in records],
    )
    return new, NewJobs(
        session_id=session.id,
        state=DONE,
        n=[record.n for record in records],
        job_ids=[record.job_id for record in records],
        params=[
            json.dumps({name: _own(record.params[name]) for name in grids}) for record in records
        ],
        keys=new.keys,
    )


def _own(value: Any) -> Any:
    return json.loads(rows.short(value)) if isinstance(value, float) else value
