"""Blocks are read as far as a question needs it, and answers are those of reading everything."""

import numpy as np
import pytest
from sqlalchemy import func, select, update

from daemon.errors import StoreError
from daemon.search.ranking import CHECKED, Filters
from daemon.search.spans import highest, spans_of
from daemon.services.sweeping import reading
from daemon.services.sweeping.blocks import BLOCK
from daemon.services.sweeping.judging.ranked import Asking, rank_session
from daemon.store import result_blocks, sessions
from daemon.store.tables import rankings
from daemon.store.tables import result_blocks as table
from tests.contract.rows import rows_of
from tests.sweeping_kit import Hand, large, run, tools, wanted

BOUNDS = (
    Filters(),
    Filters(max_drawdown_pct=50, min_trades=1),
    Filters(max_drawdown_pct=1e-3, min_trades=20),
    Filters(max_drawdown_pct=0, min_trades=10_000),
)


@pytest.fixture
def ran(store):
    """A session of three blocks, in one of which some jobs failed."""

    def poison(asked):
        return "it broke" if (asked.min_spread_bps == 7.0).any() else None

    outcome = run(tools(store, Hand(poison=poison)), wanted(large(40_000)), rows_max=100)
    assert 0 < outcome.failed < 1_000
    with store.read() as view:
        return sessions.get(view, 1)


def ask(database, filters=BOUNDS[1], **more):
    """Rank the session, and say all of it but how long it took."""
    asking = Asking(filters=filters, max_results=20, **{"fast": True, "store": False} | more)
    found = rank_session(tools(database), "1", asking)
    told = {name: value for name, value in found.report.items() if name != "seconds"}
    return found.summary, found.winner, told


def fronts(store):
    with store.read() as view:
        return result_blocks.fronts(view, 1)


def forget_spans(store):
    """Write blocks as they were written before."""
    with store.write() as tx:
        for key, jobs, data in tx.execute(select(table.c.key, table.c.jobs, table.c.data)).all():
            plain = result_blocks.encode(result_blocks.decode(bytes(data), jobs))
            tx.execute(update(table).where(table.c.key == key).values(data=plain))


def test_every_block_says_between_which_figures_its_jobs_lie(store, ran):
    for link, spans in fronts(store):
        with store.read() as view:
            data = result_blocks.data(view, link.key)
        columns = result_blocks.decode(data, link.jobs)
        assert spans == spans_of(columns, CHECKED, ~columns["failed"])
        assert spans.keys() == set(CHECKED)
    with store.read() as view:
        assert [link for link, _ in fronts(store)] == result_blocks.links(view, ran.id)


def test_blocks_of_before_are_ranked_alike(store, ran):
    new = [ask(store, filters) for filters in BOUNDS]
    assert len({told["ranked"] for _, _, told in new}) > 2
    for summary, _, told in new:
        left_out = sum(one["jobs"] for one in told["left_out"])
        assert told["ranked"] + left_out == ran.jobs_total
        assert left_out >= ran.jobs_failed == summary.error_jobs
    ask(store, kept=50, store=True, fast=False)
    kept = rows_of(store, rankings)
    forget_spans(store)
    assert all(spans == {} for _, spans in fronts(store))
    assert [ask(store, filters) for filters in BOUNDS] == new
    ask(store, kept=50, store=True, fast=False)
    assert rows_of(store, rankings) == kept


def test_a_block_that_cannot_hold_the_best_is_counted_and_not_read(store, ran):
    whole = ask(store)
    leading = {(int(one.job_id.removeprefix("s_")) - 1) // BLOCK for one in whole[0].top}
    behind = [
        link
        for link, _ in fronts(store)
        if not link.failed and link.first_n // BLOCK not in leading
    ]
    assert behind, "there is such a block"
    with store.write() as tx:
        front = func.substr(table.c.data, 1, result_blocks.FRONT)
        keys = [link.key for link in behind]
        tx.execute(update(table).where(table.c.key.in_(keys)).values(data=front))
    assert ask(store) == whole
    with pytest.raises(StoreError, match="cannot be read"):
        reading.Metrics(store, ran)["realized_pnl_usd"]


def test_blocks_that_may_hold_the_best_come_first(store, ran):
    parts = list(reading.checked(store, ran))
    most = [highest(part.spans, "realized_pnl_usd") for part in parts]
    assert most == sorted(most, reverse=True)
    assert sorted(len(part.numbers) for part in parts) == sorted([BLOCK, BLOCK, 40_000 - 2 * BLOCK])
    numbers = np.concatenate([part.numbers for part in parts])
    assert np.array_equal(np.sort(numbers), np.arange(1, 40_001))
    assert sum(int((~part.done).sum()) for part in parts) == ran.jobs_failed
    for part in parts:
        assert set(CHECKED) <= set(part.columns)
        assert len(part.columns) > len(CHECKED)
        assert "nothing" not in part.columns
